"""The shipped Grafana dashboard: its panels, and its queries as Prometheus gets them."""

import json

from processes import ROOT

FILE = ROOT / "packaging/grafana/kata-sandboxes.json"
# As Grafana fills them in; the sandbox is batch/crunch-0 of fake_report.cc.
VARIABLES = {
    "$__rate_interval": "6s", "$__range": "1m", "$job": ".+", "$instance": ".+", "$namespace": ".*", "$sandbox": "b" * 64,
}


def load():
    return json.loads(FILE.read_text())


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board):
    """Title of the panel and expression of each query."""
    return [(panel["title"], target["expr"]) for panel in panels(board) for target in panel["targets"]]


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression
