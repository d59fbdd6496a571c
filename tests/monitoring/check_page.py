#!/usr/bin/python3
"""usage: check_page.py FAKE_NODE [FOLDER]

Looks at the page at `/` with Chromium: its values, that it works below the
prefix of a proxy, by TLS, with a login and with a client's certificate, that it fits a phone, sends requests to
host-probe alone and none while it is hidden, and does not interpret names as markup. Leaves screenshots in FOLDER.
"""

import pathlib
import ssl
import sys
import tempfile
import time

from browser import Browser, store_certificates
from processes import Certificates, fake_node, proxy

ALICE_S3CRET = "$2b$04$katameterkatameterkatOaSAzraFVD3f2JmVCeyG4CGX1lhaDj9a"  # as htpasswd -nbB prints it
READY = "document.querySelectorAll('article .figure').length === 6 && !document.querySelector('#status.warn')"
CARDS = """[...document.querySelectorAll('article')].map((card) => ({
  title: card.querySelector('h2').textContent,
  warning: card.querySelector('.warn')?.textContent ?? '',
  figures: [...card.querySelectorAll('.figure')].map((figure) => ({
    title: figure.querySelector('h3').textContent,
    parts: [...figure.querySelectorAll('.legend li')].map((entry) => entry.textContent),
    bar: [...figure.querySelectorAll('svg.bar rect')].map((part) => Number(part.getAttribute('width'))),
    points: figure.querySelector('svg.graph polyline')?.getAttribute('points').split(' ').length ?? 0,
  })),
  rows: [...card.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent)),
}))"""


def percent(text):
    return float(text.split()[-2])


def near(value, expected):
    return abs(value - expected) < 0.05 * expected + 0.3


def check_figures(browser):
    # The rate of CPU time needs two scrapes, a graph more than that.
    browser.wait_for("[...document.querySelectorAll('svg.graph polyline')].some("
                     "(line) => line.getAttribute('points').split(' ').length >= 2)")
    cards = browser.evaluate(CARDS)
    assert [card["title"] for card in cards] == ["batch/crunch-0", "shop/silent-0", "shop/web-0"], cards
    crunch, silent, web = cards
    assert "No guest-probe" in silent["warning"] and not silent["rows"] and not web["warning"]

    cpu, memory = web["figures"]
    # As in fake_report.cc: what the containers use, and 0.095 CPUs around them.
    assert near(percent(cpu["title"].split(",")[0]), 44.5), cpu
    assert near(percent(cpu["title"].split(",")[1].replace(" beyond its containers", "")), 9.5), cpu
    assert near(sum(percent(part) for part in cpu["parts"]), 44.5), cpu
    assert near(sum(cpu["bar"]), 100), "the dearest sandbox has the widest bar"
    assert near(sum(crunch["figures"][0]["bar"]), 100 * 0.295 / 0.445), crunch
    assert memory["title"] == "Memory 571 MiB, 291 MiB beyond its containers", memory
    assert memory["parts"][0].startswith("guest_ram 520 MiB") or "guest_ram 520 MiB" in memory["parts"], memory

    rows = {row[0]: row[1:] for row in web["rows"]}
    assert rows.keys() == {"app", "proxy", "(pause)"}, rows
    assert near(percent(rows["app"][0]), 30) and rows["app"][1:] == ["175 MiB", "400 MiB", "0 %", "0"], rows
    worker = next(row for row in crunch["rows"] if row[0] == "worker")
    assert 75 <= percent(worker[4]) <= 100 and int(worker[5]) > 1000, worker


def check_filter(browser):
    browser.evaluate("filter.value = 'CRUNCH'; filter.dispatchEvent(new Event('input'))")
    assert [card["title"] for card in browser.evaluate(CARDS)] == ["batch/crunch-0"]
    browser.evaluate("filter.value = ''; filter.dispatchEvent(new Event('input'))")


def check_below_a_prefix(browser, node):
    """As behind a proxy that serves more than host-probe: nothing is asked outside of the prefix, and the links stay in it."""
    browser.show("about:blank", 1180, 640)  # the page before asks no more
    browser.wait_for("location.href === 'about:blank'")
    browser.requests.clear()
    with proxy(node, "/node-1/katameter") as address:
        below = f"http://{address}/node-1/katameter/"
        browser.show(below, 1180, 640)
        browser.wait_for(READY)
        check_figures(browser)
        asked = [url for url in browser.requests if not url.startswith("data:")]
        assert below + "api/sandboxes" in asked and all(url.startswith(below) for url in asked), asked
        links = browser.evaluate("[...document.querySelectorAll('a')].map((link) => link.href)")
        assert {link.removeprefix(below) for link in links} == {"metrics", "api/sandboxes", "-/healthy", "-/ready"}, links
        answers = browser.evaluate("Promise.all([...document.querySelectorAll('a')].map(async (link) => "
                                   "(await fetch(link.href)).status))")
        assert answers == [200] * 4, answers
    browser.show("about:blank", 1180, 640)  # nothing asks a proxy that is gone
    assert not browser.problems, browser.problems


def check_login_over_tls(browser, program, folder):
    """The page and what it asks come by TLS from host-probe's own server, values to a user only; also below a prefix."""
    certificate, key = Certificates(folder).files("server")
    web_config = pathlib.Path(folder, "web.yml")
    web_config.write_text(f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n"
                          f"basic_auth_users: {{alice: {ALICE_S3CRET}}}\n")
    browser.take_any_certificate()
    with fake_node(program, web_config) as node:
        browser.show(f"https://{node}/", 1180, 640)
        browser.wait_for("document.querySelector('#status.warn')?.textContent.startsWith('No new values')")
        assert browser.evaluate("document.querySelectorAll('article').length") == 0
        browser.problems.clear()  # 401
        browser.login = ("alice", "s3cret")
        browser.requests.clear()
        browser.show(f"https://{node}/", 1180, 640)
        browser.wait_for(READY)
        check_figures(browser)
        asked = [url for url in browser.requests if not url.startswith("data:")]
        assert f"https://{node}/api/sandboxes" in asked and all(url.startswith(f"https://{node}/") for url in asked), asked
        browser.show("about:blank", 1180, 640)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with fake_node(program) as node, proxy(node, "/node-1", login="alice:s3cret", tls=context) as address:
        browser.show(f"https://{address}/node-1/", 1180, 640)
        browser.wait_for(READY)
        check_figures(browser)
        browser.show("about:blank", 1180, 640)
        browser.wait_for("location.href === 'about:blank'")
    assert not browser.problems, browser.problems


def check_client_certificate(program, folder):
    """A server that requires a certificate of its authority shows the page to a browser that has one, and to no other. The
    browser trusts the server by its own database."""
    own, other = (Certificates(folder / name) for name in ("own", "other"))
    certificate, key = own.files("server")
    web_config = folder / "web.yml"
    web_config.write_text(f"tls_server_config: {{cert_file: {certificate}, key_file: {key}, client_ca_file: {own.authority}, "
                          "client_auth_type: RequireAndVerifyClientCert}\n")
    # With TLS 1.3 a client sends its request before it knows of the refusal: Chromium meets the alert or the closed socket.
    refused = ("net::ERR_BAD_SSL_CLIENT_AUTH_CERT", "net::ERR_SOCKET_NOT_CONNECTED")
    users = {
        "has none": (own.authority, None, refused),
        "has one of another authority": (own.authority, other.files("client"), refused),
        "trusts another authority": (other.authority, own.files("client"), ("net::ERR_CERT_AUTHORITY_INVALID",)),
        "has one": (own.authority, own.files("client"), (None,)),
    }
    with fake_node(program, web_config) as node:
        for user, (authority, client, expected) in users.items():
            home = folder / user
            store_certificates(home, authority, client)
            with Browser(home) as browser:
                error = browser.show(f"https://{node}/", 1180, 640)
                assert error in expected, f"who {user} gets {error}"
                if not error:
                    browser.wait_for(READY)
                    check_figures(browser)
                    assert not browser.problems, browser.problems
                    browser.show("about:blank", 1180, 640)  # nothing asks a server that is gone


def check_that_it_fits(browser):
    wide = browser.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], f"{wide[0]} pixels do not fit {wide[1]}"


def check_that_nobody_is_asked_while_nobody_looks(browser):
    browser.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    time.sleep(6)  # the request that was due
    browser.evaluate("0")
    before = len(browser.requests)
    time.sleep(7)
    browser.evaluate("0")
    assert len(browser.requests) == before, browser.requests[before:]
    browser.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    time.sleep(1)
    browser.evaluate("0")
    assert len(browser.requests) == before + 1, "it does not go on when somebody looks again"


def main():
    shots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(folder) as browser:
        with fake_node(sys.argv[1]) as node:
            browser.show(f"http://{node}/", 1180, 640)
            browser.wait_for(READY)
            check_figures(browser)
            check_filter(browser)
            check_that_it_fits(browser)
            check_that_nobody_is_asked_while_nobody_looks(browser)
            if shots:
                browser.screenshot(shots / "page.png")
            for dark in (False, True):
                browser.show(f"http://{node}/", 360, 740, dark)
                browser.wait_for(READY)
                check_that_it_fits(browser)
            if shots:
                browser.wait_for("document.querySelectorAll('svg.bar rect').length > 20")
                browser.screenshot(shots / "page-phone.png")
            assert browser.requests and all(url.startswith(f"http://{node}/") or url.startswith("data:")
                                            for url in browser.requests), browser.requests
            assert not browser.problems, browser.problems
            check_below_a_prefix(browser, node)
            browser.show(f"http://{node}/", 360, 740)
            browser.wait_for(READY)
        browser.wait_for("document.querySelector('#status.warn')?.textContent.startsWith('No new values')")
        browser.problems.clear()
        with fake_node(sys.argv[1], "hostile") as node:
            browser.show(f"http://{node}/", 360, 740)
            browser.wait_for(READY)
            titles = [card["title"] for card in browser.evaluate(CARDS)]
            assert "shop/<img src=x onerror=\"document.title='hole'\">" in titles, titles
            names = browser.evaluate("[...document.querySelectorAll('tbody th')].map((cell) => cell.textContent)")
            assert "\"><script>document.title='hole'</script>\\" in names, names
            assert browser.evaluate("document.querySelectorAll('main img, main script').length") == 0
            assert browser.evaluate("document.title") == "katameter"
            check_that_it_fits(browser)
            assert not browser.problems, browser.problems
        check_login_over_tls(browser, sys.argv[1], folder)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        check_client_certificate(sys.argv[1], pathlib.Path(folder))
    print("the page is as it should be")


main()
