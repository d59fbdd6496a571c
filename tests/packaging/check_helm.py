#!/usr/bin/python3
"""usage: check_helm.py BUILD

The chart with Helm itself (fetch_helm.sh): it is linted, and renders for each
of the values in chart_values.py the same objects as render_chart, which the
other checks use. What the schema has to refuse, Helm refuses. It is packaged,
under a version that labels and image tags cannot hold, and is part of an
umbrella chart that turns it off.
"""

import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

import yaml

from chart import FOLDER, Renderer, merged
from chart_values import BAD, GOOD

HELM = subprocess.run([pathlib.Path(__file__).with_name("fetch_helm.sh")], check=True, stdout=subprocess.PIPE,
                      text=True).stdout.strip()
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def helm(*arguments, folder):
    """Helm with settings and caches of its own; its exit status, and what it printed to stdout and stderr."""
    environment = {"PATH": "/usr/bin:/bin", **{name: f"{folder}/home" for name in
                                               ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}}
    done = subprocess.run([HELM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          env=environment)
    return done.returncode, done.stdout, done.stderr


def documents(text):
    found = [document for document in yaml.safe_load_all(text) if document]
    return sorted(found, key=lambda document: (document["kind"], document["metadata"]["name"]))


def template(chart, *arguments, folder, release="other"):
    status, text, error = helm("template", release, chart, "--namespace", "monitoring", *arguments, folder=folder)
    assert status == 0, error
    return documents(text)


def check_labels(found):
    for document in found:
        for key, value in document["metadata"]["labels"].items():
            assert LABEL.fullmatch(value), f"{document['kind']}: {key}: {value}"


def check_values(render, folder):
    file = pathlib.Path(folder, "values.json")
    for values in [{}, *GOOD]:
        file.write_text(json.dumps(values))
        status, text, error = helm("lint", "--strict", FOLDER, "--values", file, folder=folder)
        assert status == 0, f"{values}: {text}{error}"
        rendered = template(FOLDER, "--values", file, folder=folder)
        assert rendered == documents(yaml.safe_dump_all(render(merged(render.defaults, values), "other"))), \
            f"Helm renders other objects than render_chart for {values}"
    for values in BAD:
        file.write_text(json.dumps(values))
        status, _, error = helm("template", "other", FOLDER, "--values", file, folder=folder)
        assert status != 0 and "values don't meet the specifications" in error, f"{values}: {error}"
    check_labels(template(FOLDER, folder=folder, release="123"))


def check_package(folder):
    status, text, error = helm("package", FOLDER, "--version", "1.2.3+build.4", "--app-version", "1.2.3+abc",
                               "--destination", folder, folder=folder)
    assert status == 0, error
    package = text.rpartition(" ")[2].strip()
    with tarfile.open(package) as archive:
        members = {member.name: member for member in archive.getmembers()}
        for name in ("alerts.yml", "kata-sandboxes.json"):
            assert members[f"katameter/files/{name}"].isreg(), f"the package has no {name}"
    found = template(package, "--set", "prometheusRule.enabled=true,dashboards.enabled=true,podMonitor.enabled=true",
                     folder=folder)
    check_labels(found)
    daemonset, = (document for document in found if document["kind"] == "DaemonSet")
    assert daemonset["spec"]["template"]["spec"]["containers"][0]["image"] == "katameter-host:1.2.3_abc"
    rule, = (document for document in found if document["kind"] == "PrometheusRule")
    assert len(rule["spec"]["groups"][0]["rules"]) > 5


def check_umbrella(folder):
    umbrella = pathlib.Path(folder, "umbrella")
    (umbrella / "charts").mkdir(parents=True)
    (umbrella / "charts/katameter").symlink_to(FOLDER)
    (umbrella / "Chart.yaml").write_text(json.dumps({
        "apiVersion": "v2", "name": "umbrella", "version": "1.0.0",
        "dependencies": [{"name": "katameter", "version": "*", "repository": "", "condition": "katameter.enabled"}]}))
    for enabled in ("true", "false"):
        found = template(umbrella, "--set", f"katameter.enabled={enabled},katameter.nodeSelector=null", folder=folder)
        assert bool(found) == (enabled == "true"), found
        for document in found:
            assert document["kind"] != "DaemonSet" or "nodeSelector" not in document["spec"]["template"]["spec"]


def main():
    render = Renderer(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        check_values(render, folder)
        check_package(folder)
        check_umbrella(folder)
    print("Helm makes of the chart what the other checks take it for")


main()
