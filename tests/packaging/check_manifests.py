#!/usr/bin/python3
"""usage: check_manifests.py BUILD HOST_PROBE VERSION

The DaemonSet and the Helm chart: fields and types of the Kubernetes API, the
rights that host-probe may have and no more, options that it takes, and that
the two are the same where nothing is configured. With --operator also what is
for the Prometheus Operator, shipped and rendered: fields and values as its own
resources have them, which npm fetches.
"""

import copy
import json
import re
import subprocess
import sys

import jsonschema
import yaml

import kubernetes_schema
from chart import FOLDER, ROOT, Renderer, merged
from operator_objects import Schemas, check_operator, check_pod_monitor, shipped_object

# What a user may set, each as it would in its own file, and whether the schema has to refuse it.
GOOD = [
    {"image": {"repository": "registry.test/katameter-host", "tag": "1"}, "imagePullSecrets": [{"name": "key"}]},
    {"nodeSelector": {}, "tolerations": [], "priorityClassName": "system-node-critical", "resources": {}},
    {"port": 9000, "extraArgs": ["--log.level=debug", "--runtime-endpoint=unix:///run/k3s/containerd/containerd.sock"]},
    {"runDirectories": ["/run/vc", "/run/k3s/containerd"], "stateDirectory": ""},
    {"runDirectories": ["/run/vc", "/var/snap/microk8s/common/run", "/run/k0s", "/var/lib/docker/containers",
                        "/run/containerd/io.containerd.runtime.v2.task"],
     "extraArgs": ["--runtime-endpoint=none"]},
    {"capabilities": ["BPF", "PERFMON", "SYS_RESOURCE"], "seccompProfile": {"type": "Unconfined"}},
    {"seccompProfile": {"type": "RuntimeDefault"}}, {"seccompProfile": {"localhostProfile": "profiles/ours.json"}},
    {"kubeletDirectory": "/var/snap/microk8s/common/var/lib/kubelet"},
    {"seLinuxOptions": {"type": "spc_t"}, "updateStrategy": {"type": "OnDelete", "rollingUpdate": None}},
    {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}}}},
    {"podMonitor": {"enabled": True, "interval": "1m", "labels": {"release": "prometheus"}},
     "podAnnotations": {"a": "b"}, "podLabels": {"team": "infra"}},
]
BAD = [
    {"prot": 9717}, {"port": 0}, {"port": "9717"}, {"image": {"repository": ""}}, {"runDirectories": []},
    {"runDirectories": ["/etc"]}, {"runDirectories": ["/run/../etc"]}, {"runDirectories": ["/run"]},
    {"runDirectories": ["/var/lib"]}, {"runDirectories": ["/var/snap/../../etc"]}, {"runDirectories": ["/var/log/pods"]},
    {"capabilities": ["ALL"]}, {"seccompProfile": {"type": "None"}}, {"kubeletDirectory": "var/lib/kubelet"},
    {"seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "ours.json"}},
    {"seccompProfile": {"localhostProfile": "/etc/ours.json"}}, {"seccompProfile": {"localhostProfile": "a/../../b"}}, {"extraArgs": ["run"]}, {"podMonitor": {"on": True}},
]


def without_helm(document):
    """As somebody would write it who has no Helm."""
    document = copy.deepcopy(document)
    metadata = document["metadata"]
    del metadata["namespace"]
    for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
        del metadata["labels"][label]
    return document


def check_profile(pod, values):
    """The profile of the container is on the node when it starts: from the image by the init container, or before."""
    container, = pod["containers"]
    profile = container["securityContext"]["seccompProfile"]
    wanted = {"type": "Localhost", "localhostProfile": ""} | values.get("seccompProfile", {})
    assert profile["type"] == wanted["type"]
    if wanted["type"] != "Localhost" or wanted["localhostProfile"]:
        assert "initContainers" not in pod
        assert profile.get("localhostProfile", "") == wanted["localhostProfile"]
        return
    init, = pod["initContainers"]
    assert init["image"] == container["image"] and "add" not in init["securityContext"]["capabilities"]
    mount, = init["volumeMounts"]
    on_node, = (volume["hostPath"]["path"] for volume in pod["volumes"] if volume["name"] == mount["name"])
    kubelet = values.get("kubeletDirectory", "/var/lib/kubelet")
    # Its own directory and no more of the kubelet's.
    assert on_node == f"{kubelet}/seccomp/{profile['localhostProfile'].rpartition('/')[0]}"
    assert f"{mount['mountPath']}/{profile['localhostProfile'].rpartition('/')[2]}" in init["args"][0]


def check_rights(pod):
    container, = pod["containers"]
    for each in pod["containers"] + pod.get("initContainers", []):
        rights = each["securityContext"]
        assert rights["privileged"] is False and rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"]["drop"] == ["ALL"]
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostIPC"} & pod.keys() and pod["hostPID"] is True
    writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable <= {"state"}, f"{writable} can be written"
    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        if mount["name"] != "state":
            assert mount["mountPath"] == volumes[mount["name"]], f"{mount['name']} is elsewhere than on the node"
    assert volumes.keys() - {"seccomp"} == {mount["name"] for mount in container["volumeMounts"]}


def check_daemonset(document, host_probe, values):
    kubernetes_schema.check(document, "V1DaemonSet", document["metadata"]["name"])
    spec = document["spec"]
    labels = spec["template"]["metadata"]["labels"].items()
    assert spec["selector"]["matchLabels"].items() <= labels
    pod = spec["template"]["spec"]
    check_rights(pod)
    check_profile(pod, values)
    container, = pod["containers"]
    port, = container["ports"]
    assert port["name"] == "metrics" and f"--web.listen-address=:{port['containerPort']}" in container["args"]
    for probe, path in (("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")):
        assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
    command, *arguments = container["args"]
    assert command == "run"
    subprocess.run([host_probe, "check-config", *arguments], check=True)


def check_default(daemonset, version):
    pod = daemonset["spec"]["template"]["spec"]
    container, = pod["containers"]
    assert pod["nodeSelector"] == {"katacontainers.io/kata-runtime": "true"}
    paths = {volume["hostPath"]["path"] for volume in pod["volumes"]}
    assert {"/run/vc", "/run/kata", "/run/containerd", "/run/crio"} <= paths
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert set(container["securityContext"]["capabilities"]["add"]) == {"BPF", "PERFMON"}
    assert container["image"] == f"katameter-host:{version}"
    assert daemonset["metadata"]["labels"]["app.kubernetes.io/version"] == version
    shipped = yaml.safe_load((ROOT / "packaging/kubernetes/daemonset.yaml").read_text())
    assert shipped == without_helm(daemonset), "packaging/kubernetes/daemonset.yaml is not what the chart renders"
    monitor = shipped_object("pod-monitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= daemonset["spec"]["template"]["metadata"]["labels"].items(), "the PodMonitor does not find the pods"


def check_values(render, defaults, host_probe, operator):
    schema = json.loads((FOLDER / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(defaults, schema)
    assert defaults.keys() == schema["properties"].keys() - {"global"}, "values.yaml and its schema differ"
    used = set(re.findall(r"\.Values\.(\w+)", "".join(file.read_text() for file in FOLDER.glob("templates/*"))))
    assert used == defaults.keys(), f"{used ^ defaults.keys()} is in values.yaml or in the templates only"
    for values in GOOD:
        everything = merged(defaults, values)
        jsonschema.validate(everything, schema)
        documents = {document["kind"]: document for document in render(everything, "other")}
        check_daemonset(documents["DaemonSet"], host_probe, values)
        assert documents["DaemonSet"]["metadata"]["name"] == "other-katameter-host"
        assert ("PodMonitor" in documents) == ("podMonitor" in values)
        if "PodMonitor" in documents:
            check_pod_monitor(documents["PodMonitor"], operator)
    for values in BAD:
        assert not jsonschema.Draft7Validator(schema).is_valid(merged(defaults, values)), f"the schema takes {values}"


def main():
    build, host_probe, version, *operator = sys.argv[1:]
    render = Renderer(build)
    chart = yaml.safe_load((FOLDER / "Chart.yaml").read_text())
    assert chart["appVersion"] == version, f"Chart.yaml is of {chart['appVersion']}, this is {version}"
    defaults = yaml.safe_load((FOLDER / "values.yaml").read_text())
    daemonset, = render(defaults, "katameter")
    check_daemonset(daemonset, host_probe, {})
    check_default(daemonset, version)
    schemas = Schemas() if operator == ["--operator"] else None
    if schemas:
        check_operator(schemas)
        print("what the Prometheus Operator gets is as it should be")
    check_values(render, defaults, host_probe, schemas)
    print("the DaemonSet and the chart are as they should be")


main()
