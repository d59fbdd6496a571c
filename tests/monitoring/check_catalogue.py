#!/usr/bin/python3
"""usage: check_catalogue.py HOST_PROBE FAKE_NODE

docs/metrics.md is what `host-probe metrics` prints, and that is what
host-probe serves: every metric, with its type and its labels.
"""

import subprocess
import sys
import urllib.request

from catalogue import DOCUMENT, read_document, read_exposition
from processes import fake_node


def main():
    printed = subprocess.run([sys.argv[1], "metrics"], check=True, stdout=subprocess.PIPE, text=True).stdout
    documented = read_document(printed)
    with fake_node(sys.argv[2]) as node, urllib.request.urlopen(f"http://{node}/metrics", timeout=20) as answer:
        served = read_exposition(answer.read().decode())
    for name in sorted(documented.keys() | served.keys()):
        assert name in served, f"{name} is documented; fake_report.cc does not have it"
        assert name in documented, f"{name} is served and not documented"
        assert documented[name] == served[name], f"{name} is {served[name]}, documented as {documented[name]}"
    assert printed == DOCUMENT.read_text(), "docs/metrics.md is out of date: build/bin/host-probe metrics >docs/metrics.md"
    print(f"{len(documented)} metrics are as documented")


main()
