#!/usr/bin/python3
"""usage: check_top.py HOST_PROBE FAKE_NODE

`host-probe top` in a pseudo terminal: what it draws, its keys, its size, a node
that goes away, signals that end it, and that the terminal is afterwards as it
was before. That it writes plain text where there is no terminal to draw on.
And that it logs in, uses TLS, and gets by a proxy.
"""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

from processes import Certificates, proxy, fake_node

HOST_PROBE, FAKE_NODE = sys.argv[1:]
NEW_SCREEN = "\033[H\033[2J"
SECOND_SCREEN, FIRST_SCREEN, CURSOR = "\033[?1049h", "\033[?1049l", "\033[?25h"
CTRL_C = "\x03"


class Terminal:
    """The two ends of a pseudo terminal, 200 columns wide, and what was written to it."""

    def __init__(self):
        self.ours, self.its = pty.openpty()
        self.resize(200)
        self.before = self.modes()
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.ours)
        os.close(self.its)

    def resize(self, columns, lines=50):
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.its)

    def press(self, key):
        os.write(self.ours, key.encode())

    def read(self, seconds):
        """Takes what has been written, or comes in time; false if that is nothing."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        self.said += os.read(self.ours, 65536).decode().replace("\r\n", "\n")
        return True

    def wait_for(self, what, holds, last="c: containers"):
        """The first whole screen that is drawn from now on and for which holds(lines) is true; its last line has `last`."""
        seen = self.said.count(NEW_SCREEN)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            self.read(0.5)
            for screen in self.said.split(NEW_SCREEN)[1 + seen:]:
                if last in screen and holds(screen.split("\n")):
                    return screen.split("\n")
        raise AssertionError(f"waited for {what}: {self.said[-2000:]!r}")


@contextlib.contextmanager
def top(terminal, *arguments):
    program = subprocess.Popen([HOST_PROBE, "top", "--interval", "0.3", *arguments],
                               stdin=terminal.its, stdout=terminal.its, stderr=terminal.its)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def check_left(terminal, program, status=0):
    """It has ended with this status and left nothing of itself on the terminal."""
    end = time.monotonic() + 10
    while program.poll() is None and time.monotonic() < end:
        terminal.read(0.1)
    assert program.wait(1) == status
    terminal.read(0.1)
    assert terminal.modes() == terminal.before, "the terminal's modes are others than before"
    assert terminal.said.endswith(CURSOR + FIRST_SCREEN), repr(terminal.said[-100:])


def row(lines, name):
    return next((line.split() for line in lines if line.startswith(name)), None)


def near(value, expected):
    return abs(float(value) - expected) < 0.1 * expected


def check_keys(node):
    with Terminal() as terminal, top(terminal, "--address", node) as program:
        # As in fake_report.cc: what the containers use, and 0.095 CPUs around them. The first screen has no rates yet.
        lines = terminal.wait_for("rates", lambda lines: (row(lines, "shop/web-0") or ["", "", "-"])[2] not in ("-", "0.0"))
        assert terminal.said.startswith(SECOND_SCREEN), repr(terminal.said[:40])
        assert lines[0].startswith("SANDBOX") and "CPU%" in lines[0] and "OVERHEAD%" in lines[0], lines[0]
        assert {"shop/web-0", "shop/silent-0", "batch/crunch-0"} <= {line.split()[0] for line in lines if line}, lines
        assert row(lines, "shop/web-0")[1] == "up" and near(row(lines, "shop/web-0")[2], 44.5), lines
        assert row(lines, "shop/silent-0")[1] == "down", lines
        assert row(lines, "  app") is None, lines
        changed = terminal.modes()[3]
        assert not changed & termios.ICANON and not changed & termios.ECHO and not changed & termios.ISIG

        terminal.press("c")
        lines = terminal.wait_for("containers", lambda lines: row(lines, "  app"))
        # Below their sandbox, in its order.
        names = [line.split()[0] for line in lines if line]
        assert names.index("app") > names.index("shop/web-0"), names
        terminal.resize(60)
        lines = terminal.wait_for("a narrow screen", lambda lines: len(lines[0]) <= 60)
        assert row(lines, "  app"), "the containers are folded in without a key"
        assert max(map(len, lines)) <= 60, lines
        terminal.press("x")  # no key of it
        terminal.press("c")
        terminal.wait_for("no containers", lambda lines: row(lines, "shop/web-0") and not row(lines, "  app"))
        terminal.press("q")
        check_left(terminal, program)


def order(lines):
    """The sandboxes as they stand below each other."""
    return [line.split()[0] for line in lines if line.startswith(("shop/", "batch/"))]


def has_rates(lines):
    return (row(lines, "shop/web-0") or ["", "", "-"])[2] != "-"


def check_sort_and_filter(node):
    with Terminal() as terminal, top(terminal, "--address", node) as program:
        by_cpu = ["shop/web-0", "batch/crunch-0", "shop/silent-0"]
        terminal.wait_for("CPU first", lambda lines: has_rates(lines) and order(lines) == by_cpu)
        terminal.press("n")
        terminal.wait_for("names", lambda lines: order(lines) == sorted(by_cpu))
        terminal.press("m")
        lines = terminal.wait_for("memory", lambda lines: any("sorted by memory" in line for line in lines))
        assert len(order(lines)) == 3, lines
        terminal.press("o")
        # The fake guests have the same overhead; of the one that is silent it is not known.
        lines = terminal.wait_for("overhead", lambda lines: any("sorted by overhead" in line for line in lines))
        assert order(lines)[2] == "shop/silent-0", lines
        terminal.press("/shoq\x7fp\r")
        terminal.wait_for("the filter", lambda lines: sorted(order(lines)) == ["shop/silent-0", "shop/web-0"])
        terminal.press("\x1b[A")  # an arrow, which ends nothing
        # One after the other: behind an escape that top has not read yet, a letter would be part of it.
        terminal.press("/xyz")
        terminal.wait_for("the new filter", lambda lines: any("shopxyz_" in line for line in lines), last="leave as it was")
        terminal.press("\x1b")
        terminal.wait_for("the filter as it was", lambda lines: len(order(lines)) == 2 and "/: filter" in "".join(lines))
        terminal.press("p/\x7f\x7f\x7f\x7f\r")
        terminal.wait_for("all again", lambda lines: order(lines) == by_cpu)
        terminal.press("q")
        check_left(terminal, program)


def check_height(node):
    """On few lines the head and the first rows are there, and how many are not."""
    with Terminal() as terminal:
        terminal.resize(200, 6)
        with top(terminal, "--address", node, "--containers", "--sort", "cpu") as program:
            lines = terminal.wait_for("rates", has_rates)
            assert len(lines) <= 6 and lines[0].startswith("SANDBOX"), lines
            assert order(lines) == ["shop/web-0"] and any(line.startswith("2 more sandboxes") for line in lines), lines
            terminal.resize(200)
            terminal.wait_for("all of them", lambda lines: len(order(lines)) == 3)
            terminal.press("q")
            check_left(terminal, program)


def asked(*arguments, **environment):
    """Status, output and errors of `top` that prints once."""
    said = subprocess.run([HOST_PROBE, "top", "--interval", "0.3", *arguments], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env={**os.environ, **environment})
    return said.returncode, said.stdout, said.stderr


def check_shown(result):
    status, out, errors = result
    assert status == 0 and row(out.split("\n"), "shop/web-0"), result


def check_refused(result, why):
    status, out, errors = result
    assert status == 1 and not out and why in errors and errors.count("\n") == 1, result


def check_login_and_prefix(node, folder):
    password = os.path.join(folder, "password")
    with open(password, "w") as file:
        file.write("s3cret\n")
    with proxy(node, "/node-1", login="alice:s3cret") as address:
        url = f"http://{address}/node-1/"
        check_refused(asked("--address", url), "--password-file")
        check_refused(asked("--address", url, "--user", "alice", KATAMETER_PASSWORD="wrong"), "--password-file")
        check_shown(asked("--address", url, "--user", "alice", "--password-file", password))
        check_shown(asked("--address", url, KATAMETER_USER="alice", KATAMETER_PASSWORD="s3cret"))
        login = ("--user", "alice", "--password-file", password)
        check_refused(asked("--address", f"http://{address}/elsewhere", *login), "does not know the path")
    # A proxy of the environment is not asked: host-probe is on this node, or named.
    check_shown(asked("--address", node, http_proxy="http://127.0.0.1:9/", HTTP_PROXY="http://127.0.0.1:9/"))


def check_tls(node, folder):
    certificates = Certificates(folder)
    certificate, key = certificates.files("client")
    shown = ("--cert-file", certificate, "--key-file", key)
    with proxy(node, tls=certificates.server_context()) as address:
        authority = ("--ca-file", str(certificates.authority))
        check_shown(asked("--address", address, *authority, *shown))
        check_shown(asked("--address", f"https://{address}", "--insecure", *shown))
        check_refused(asked("--address", f"https://{address}", *shown), "--ca-file")
        check_refused(asked("--address", address, *authority), "cannot reach")
        check_refused(asked("--address", address, *authority, "--cert-file", password_like(folder)), "--cert-file")
        check_refused(asked("--address", f"http://{address}"), "")


def password_like(folder):
    """A file that is not a certificate."""
    return os.path.join(folder, "password")


def check_interrupt(node):
    with Terminal() as terminal, top(terminal, "--address", node, "--containers") as program:
        terminal.wait_for("containers at once", lambda lines: row(lines, "  app"))
        terminal.press(CTRL_C)
        check_left(terminal, program)


def check_signals(node):
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        with Terminal() as terminal, top(terminal, "--address", node) as program:
            terminal.wait_for("a table", lambda lines: row(lines, "shop/web-0"))
            assert terminal.modes() != terminal.before
            program.send_signal(ending)
            check_left(terminal, program, -ending)


def check_signal_while_asking():
    """While it waits for a node that accepts and says nothing."""
    with Terminal() as terminal, contextlib.ExitStack() as running:
        node = running.enter_context(fake_node(FAKE_NODE))
        with top(terminal, "--address", node) as program:
            terminal.wait_for("a table", lambda lines: row(lines, "shop/web-0"))
            running.close()
            host, port = node.rsplit(":", 1)
            with socket.create_server((host, int(port))) as silent:
                silent.settimeout(20)
                with silent.accept()[0]:
                    program.send_signal(signal.SIGTERM)
                    begin = time.monotonic()
                    check_left(terminal, program, -signal.SIGTERM)
                    assert time.monotonic() - begin < 2, "it has waited for the node"


def check_node_that_goes():
    with Terminal() as terminal, contextlib.ExitStack() as running:
        node = running.enter_context(fake_node(FAKE_NODE))
        with top(terminal, "--address", node) as program:
            terminal.wait_for("a table", lambda lines: row(lines, "shop/web-0"))
            running.close()
            lines = terminal.wait_for("an error", lambda lines: any("cannot reach" in line for line in lines))
            assert row(lines, "shop/web-0"), "what was known is gone, too"
            terminal.press("q")
            check_left(terminal, program)


def check_plain(node):
    with Terminal() as terminal:
        command = [HOST_PROBE, "top", "--address", node, "--interval", "0.3"]
        said = subprocess.run(command, stdin=terminal.its, check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout
        assert near(row(said.split("\n"), "shop/web-0")[2], 44.5) and "\033" not in said, said
        folded = subprocess.run([*command, "--containers"], stdin=subprocess.DEVNULL, check=True,
                                stdout=subprocess.PIPE, text=True, timeout=30).stdout
        assert row(folded.split("\n"), "  app") and "\033" not in folded, folded
        # On a terminal, too, JSON is written once.
        with top(terminal, "--address", node, "--json") as program:
            while program.poll() is None:
                terminal.read(0.2)
            while terminal.read(0.2):
                pass
        sandboxes = {row["pod"]: row for row in json.loads(terminal.said)["sandboxes"]}
        assert near(sandboxes["web-0"]["per_second"]["host_cpu_seconds_total"], 0.445), sandboxes
        assert not sandboxes["silent-0"]["guest_probe_up"], sandboxes
        assert {entry.get("name") for entry in sandboxes["web-0"]["containers"]} >= {"app", "proxy"}, sandboxes
        assert terminal.modes() == terminal.before


def main():
    with fake_node(FAKE_NODE) as node:
        check_keys(node)
        check_interrupt(node)
        check_signals(node)
        check_plain(node)
        check_sort_and_filter(node)
        check_height(node)
        with tempfile.TemporaryDirectory() as folder:
            check_login_and_prefix(node, folder)
            check_tls(node, folder)
    check_node_that_goes()
    check_signal_while_asking()
    print("the live table is as it should be")


main()
