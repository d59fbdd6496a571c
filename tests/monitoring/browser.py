"""A headless Chromium, spoken to through its debugging pipe."""

import base64
import itertools
import json
import os
import pathlib
import select
import subprocess
import time


def store_certificates(folder, authority=None, client=None):
    """Makes the NSS database of a Browser in `folder`, which trusts the authority and has the client's certificate and key."""
    database = pathlib.Path(folder, ".pki/nssdb")
    database.mkdir(parents=True)

    def run(*command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    run("certutil", "-N", "-d", f"sql:{database}", "--empty-password")
    if authority:
        run("certutil", "-A", "-d", f"sql:{database}", "-n", "authority", "-t", "C,,", "-i", authority)
    if client:
        certificate, key = client
        bundle = f"{folder}/client.p12"
        run("openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-name", "client", "-passout", "pass:",
            "-out", bundle)
        run("pk12util", "-d", f"sql:{database}", "-i", bundle, "-W", "", "-K", "")


class Browser:
    """One page of a Chromium whose home is `folder`: it has the certificates that store_certificates() left there, and shows
    one to each server that asks. `problems` collects what a reader of its console would see, `requests` the addresses that
    it asked. `login` is the user and password that it is given where a server asks for them, after take_any_certificate()."""

    def __init__(self, folder):
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # Without this policy Chromium opens a dialog and waits. It reads policies below /etc only: in a mount namespace
        # that is another folder.
        policies = pathlib.Path(folder, "etc/policies/managed")
        policies.mkdir(parents=True)
        any_certificate = json.dumps({"pattern": "*", "filter": {}})
        (policies / "policies.json").write_text(json.dumps({"AutoSelectCertificateForUrls": [any_certificate]}))
        start = f'mount --bind "$1" /etc/chromium && shift && exec "$@" 3<&{commands} 4>&{answers}'
        namespaces = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
        # As root, and in containers, Chromium's own sandbox cannot be had; the page is ours.
        self._process = subprocess.Popen(
            ["unshare", *namespaces, "bash", "-c", start, "bash", f"{folder}/etc", "chromium", "--headless=new",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
             f"--user-data-dir={folder}/profile", "about:blank"],
            env={**os.environ, "HOME": str(folder)}, pass_fds=(commands, answers), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self._ids = itertools.count(1)
        self._rest = b""
        self._session = None
        self.login = None
        self.problems, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session = None
        try:
            self.call("Browser.close")
        finally:
            os.close(self._write)
            self._process.wait(30)

    def _receive(self, end):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            data = os.read(self._read, 1 << 20)
            assert data, f"Chromium has ended with {self._process.wait(10)}"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        method, about = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(about["exceptionDetails"].get("exception", {}).get("description", str(about)))
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("warning", "error"):
            self.problems.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif method == "Fetch.requestPaused":
            self._send("Fetch.continueRequest", requestId=about["requestId"])
        elif method == "Fetch.authRequired":
            answer = {"response": "CancelAuth"}
            if self.login:
                answer = {"response": "ProvideCredentials", "username": self.login[0], "password": self.login[1]}
            self._send("Fetch.continueWithAuth", requestId=about["requestId"], authChallengeResponse=answer)

    def _send(self, method, **parameters):
        wanted = next(self._ids)
        message = {"id": wanted, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return wanted

    def call(self, method, **parameters):
        wanted = self._send(method, **parameters)
        end = time.monotonic() + 60
        while True:
            answer = self._receive(end)
            if answer.get("id") == wanted:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script, seconds=60):
        """The value of the script, once it is true."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            assert time.monotonic() < end, f"waited for {script}; {self.problems}; {self.evaluate('document.body.innerText')}"
            time.sleep(0.2)
        return value

    def show(self, url, width, height, dark=False):
        """Goes there; Chromium's error if the server cannot be asked."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        return self.call("Page.navigate", url=url).get("errorText")

    def take_any_certificate(self):
        """And answer for the user who is asked to log in."""
        self.call("Security.setIgnoreCertificateErrors", ignore=True)
        self.call("Fetch.enable", handleAuthRequests=True)

    def screenshot(self, file):
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
