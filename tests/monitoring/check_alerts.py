#!/usr/bin/python3
"""Runs the shipped alerts through promtool: syntax, and alerts.test.yml, which
has each alert both firing and not firing.
"""

import pathlib
import shutil
import subprocess
import tempfile

import yaml

from processes import ROOT, tool

ALERTS = ROOT / "packaging/prometheus/alerts.yml"
CASES = ROOT / "tests/monitoring/alerts.test.yml"


def promtool(*arguments):
    subprocess.run([tool("promtool"), *arguments], check=True)


def check_that_every_alert_has_both_cases():
    alerts = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    fires, stays = set(), set()
    for test in yaml.safe_load(CASES.read_text())["tests"]:
        for case in test["alert_rule_test"]:
            (fires if case["exp_alerts"] else stays).add(case["alertname"])
    assert fires == stays == alerts, f"without a case: {(alerts - fires) | (alerts - stays)}"


def main():
    operator = yaml.safe_load((ALERTS.parent / "prometheus-rule.yaml").read_text())
    assert operator["spec"] == yaml.safe_load(ALERTS.read_text()), "prometheus-rule.yaml is not what alerts.yml is"
    check_that_every_alert_has_both_cases()
    with tempfile.TemporaryDirectory() as folder:
        # The cases name the rules relative to themselves.
        for file in (ALERTS, CASES):
            shutil.copy(file, folder)
        promtool("check", "rules", str(pathlib.Path(folder, ALERTS.name)))
        promtool("test", "rules", str(pathlib.Path(folder, CASES.name)))


main()
