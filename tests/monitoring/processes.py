"""The programs that the tests start, each ended with the test."""

import contextlib
import json
import pathlib
import signal
import socket
import subprocess
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
def stand_in_node(program, *arguments):
    """stand_in_node (see there) on a port of its own; the address."""
    node = subprocess.Popen([program, "127.0.0.1:0", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = node.stdout.readline()
        assert url.startswith("http://"), f"stand_in_node said '{url}'"
        yield url.removeprefix("http://").split("/")[0]
    finally:
        node.stdin.close()
        assert node.wait(20) == 0, "stand_in_node failed"


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
