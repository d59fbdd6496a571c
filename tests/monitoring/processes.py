"""The programs that the tests start, each ended with the test."""

import base64
import contextlib
import http.server
import json
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tool(name):
    """The path of a program that is fetched, not installed."""
    folder = subprocess.run([ROOT / "vmtest/tools/fetch.sh", name], check=True, stdout=subprocess.PIPE, text=True)
    return f"{folder.stdout.strip()}/bin/{name}"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def fake_node(program, *arguments):
    """fake_node (see there) on a port of its own; the address."""
    node = subprocess.Popen([program, "127.0.0.1:0", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = node.stdout.readline()
        assert url.startswith(("http://", "https://")), f"fake_node printed '{url}'"
        yield url.split("/")[2]
    finally:
        node.stdin.close()
        assert node.wait(20) == 0, "fake_node failed"


@contextlib.contextmanager
def proxy(node, prefix="", login=None, tls=None):
    """A reverse proxy of `node` on a port of its own, which serves it below `prefix`, to those with `login`, "USER:PASSWORD",
    and by TLS if there is an ssl.SSLContext; the address."""
    expected = "Basic " + base64.b64encode(login.encode()).decode() if login else None

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if expected and self.headers.get("Authorization") != expected:
                return self.reply(401, b"", {"WWW-Authenticate": 'Basic realm="test"'})
            if not self.path.startswith(prefix + "/"):
                return self.reply(404, b"outside of the prefix", {})
            try:
                with urllib.request.urlopen(f"http://{node}{self.path.removeprefix(prefix)}", timeout=20) as answer:
                    passed = ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options")
                    headers = {name: answer.headers[name] for name in passed if name in answer.headers}
                    return self.reply(answer.status, answer.read(), headers)
            except urllib.error.HTTPError as error:
                return self.reply(error.code, error.read(), {})

        def reply(self, status, body, headers):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # a client that does not trust it goes away

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            # In the connection's thread, so that one that fails does not end the server.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Certificates:
    """An authority of our own in `folder`, with a server's certificate for 127.0.0.1 and a client's."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.authority = self.folder / "ca.crt"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")
        for name in ("server", "client"):
            extensions = self.folder / f"{name}.ext"
            extensions.write_text("subjectAltName=IP:127.0.0.1\n")
            self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                          "-keyout", f"{name}.key", "-out", f"{name}.csr")
            self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                          "-days", "2", "-extfile", extensions, "-out", f"{name}.crt")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def files(self, name):
        return str(self.folder / f"{name}.crt"), str(self.folder / f"{name}.key")

    def server_context(self):
        """Of a server that lets in nobody without a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files("server"))
        context.load_verify_locations(self.authority)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class Prometheus:
    """A Prometheus with its data and log in `folder`."""

    def __init__(self, config, folder):
        self.port = free_port()
        self.log = pathlib.Path(folder, "prometheus.log")
        # The launcher is a script that ends in exec: the process is Prometheus itself.
        self.process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
            stdout=self.log.open("w"), stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def api(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                raise  # it is not ready yet, for which wait_until() waits
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression):
        """Labels and value of each series of an instant query."""
        return [(row["metric"], float(row["value"][1])) for row in self.api("query", query=expression)["result"]]

    def wait_until(self, what, holds, seconds=90):
        """Asks twice a second until holds() is true; an error says `what` was waited for."""
        end = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, f"Prometheus has ended: {self.log.read_text()}"
            try:
                if holds():
                    return
            except urllib.error.URLError:
                pass  # it does not listen yet
            assert time.monotonic() < end, f"waited {seconds} s for {what}; {self.log.read_text()}"
            time.sleep(0.5)
