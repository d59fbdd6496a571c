#!/usr/bin/python3
"""The Grafana dashboard against the rules of grafana/dashboard-linter, against
docs/metrics.md (each metric and label is there), and each query parsed by
promtool. The alerts use metrics of the table, too. What the queries find is
in check_prometheus.py.
"""

import json
import pathlib
import re
import subprocess
import tempfile

import yaml

import dashboard
from catalogue import DOCUMENT, read_document
from processes import ROOT, tool

UNITS = {"none", "bytes", "percentunit"}
TARGET_LABELS = {"job", "instance", "cluster", "node", "metrics_path"}
# Of kube-state-metrics and of Prometheus itself.
FOREIGN = {"kube_pod_overhead_memory_bytes", "kube_pod_overhead_cpu_cores", "up"}
SELECTOR = re.compile(r"\b([a-z_]+[a-z])\{([^}]*)\}")
RANGE = re.compile(r"\b(\w+)\(([a-z_]+)\{[^}]*\}\[([^]]+)\]\)")


def check_variables(board):
    by_name = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert by_name["datasource"]["type"] == "datasource" and by_name["datasource"]["query"] == "prometheus"
    assert by_name["datasource"]["label"] == "Data source"
    for name in ("job", "instance"):
        variable = by_name[name]
        assert variable["type"] == "query" and variable["label"] == name, name
        assert variable["multi"] and variable["includeAll"] and variable["allValue"] == ".+", name
    for variable in by_name.values():
        if variable["type"] == "query":
            assert variable["datasource"]["uid"] == "${datasource}", variable["name"]
            assert variable["refresh"] == 2, f"{variable['name']} is not read again with the time range"


def check_panels(board):
    assert board["editable"] is False and board["uid"] and board["title"]
    ids, places = set(), set()
    for panel in dashboard.panels(board):
        name = panel["title"]
        assert name and panel["description"].endswith("."), f"{name}: no title or description"
        assert panel["datasource"]["uid"] == "${datasource}", name
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, name
        assert panel["targets"], name
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], name
        assert panel["id"] not in ids, name
        ids.add(panel["id"])
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places and at["x"] + at["w"] <= 24, f"{name} lies on another panel"
        places |= cells


def check_query(name, expression, metrics):
    selectors = SELECTOR.findall(expression)
    assert selectors, f"{name}: no selector in {expression}"
    for metric, matchers in selectors:
        assert metric in metrics, f"{name}: there is no {metric}"
        for matcher in ('job=~"$job"', 'instance=~"$instance"'):
            assert matcher in matchers, f"{name}: {metric} without {matcher}"
        used = set(re.findall(r"(\w+)\s*(?:=|!)", matchers))
        assert used <= metrics[metric][1] | TARGET_LABELS, f"{name}: {metric} has no {used}"
    ranges = {metric: (function, window) for function, metric, window in RANGE.findall(expression)}
    for metric, _ in selectors:
        function, window = ranges.get(metric, ("", ""))
        if metrics[metric][0] == "counter":
            assert function in ("rate", "irate", "increase"), f"{name}: {metric} is a counter"
        allowed = {"$__rate_interval", "$__range"} if function == "increase" else {"$__rate_interval", ""}
        assert window in allowed, f"{name}: window {window}"


def check_alert_metrics(metrics):
    for group in yaml.safe_load((ROOT / "packaging/prometheus/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            names = set(re.findall(r"\b(?:container|katameter|kube|up)(?:_\w+)?\b(?=[\[{ )\n]|$)", rule["expr"]))
            assert names and names <= metrics.keys() | FOREIGN, f"{rule['alert']}: no metric {names - metrics.keys()}"


def main():
    board = dashboard.load()
    metrics = read_document(DOCUMENT.read_text())
    check_variables(board)
    check_panels(board)
    for name, expression in dashboard.expressions(board):
        check_query(name, expression, metrics)
    check_alert_metrics(metrics)
    rules = [{"record": f"panel:{i}", "expr": dashboard.filled(expression)}
             for i, (_, expression) in enumerate(dashboard.expressions(board))]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "queries.json")  # JSON is YAML
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        subprocess.run([tool("promtool"), "check", "rules", file], check=True)


main()
