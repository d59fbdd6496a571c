#!/usr/bin/python3
"""usage: check_runtime_classes.py HOST_PROBE

What `host-probe overhead` prints: RuntimeClasses of the Kubernetes API and
nothing else, with quantities that are p95 of the history, whatever the
handlers are called.
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

import yaml
from kubernetes.utils.quantity import parse_quantity

import kubernetes_schema

MIB = 1 << 20
# A handler for each way to go wrong: names that YAML takes for a number, a truth value or nothing, none at all, and one
# that the API server refuses.
HANDLERS = ["kata-clh", "42", "on", "null", "1e3", "", "Kata_QEMU"]
SANDBOXES = 20  # of each handler


def history():
    """Of the handler at `h` the sandbox `n` used (h+1)*n thousandths of a CPU, and n MiB and a byte more."""
    sandboxes = {}
    for h, handler in enumerate(HANDLERS):
        for n in range(1, SANDBOXES + 1):
            sandboxes[f"{h:02x}{n:062x}"] = {
                "handler": handler, "first": 1700000000, "last": 1700003600, "cpu_seconds": 3.6 * (h + 1) * n,
                "seconds": 3600.0, "memory_bytes": (h + 1) * n * MIB + 1}
    return {"version": 1, "sandboxes": sandboxes}


def check(document, handler):
    kubernetes_schema.check(document, "V1RuntimeClass", handler)
    assert document["apiVersion"] == "node.k8s.io/v1" and document["kind"] == "RuntimeClass", document
    name = handler or "handler-not-known"
    assert document["metadata"] == {"name": name} and document["handler"] == name, document
    h = HANDLERS.index(handler)
    p95 = math.ceil(SANDBOXES * 0.95)
    quantities = {name: parse_quantity(text) for name, text in document["overhead"]["podFixed"].items()}
    assert quantities.keys() == {"cpu", "memory"}, quantities
    assert (h + 1) * p95 <= quantities["cpu"] * 1000 <= (h + 1) * p95 + 1, quantities
    assert quantities["memory"] == ((h + 1) * p95 + 1) * MIB, quantities


def main():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "overhead.json")
        file.write_text(json.dumps(history()))
        said = subprocess.run([sys.argv[1], "overhead", "--state-file", file], check=True, stdout=subprocess.PIPE,
                              text=True).stdout
    documents = [document for document in yaml.safe_load_all(said) if document is not None]
    expected = [handler for handler in sorted(HANDLERS) if handler != "Kata_QEMU"]
    assert len(documents) == len(expected), said
    for document, handler in zip(documents, expected):
        check(document, handler)
    assert said.count("is left out") == 1, said
    print(f"{len(documents)} RuntimeClasses are as they should be")


main()
