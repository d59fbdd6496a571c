#!/usr/bin/python3
"""usage: check_manifests.py BUILD HOST_PROBE VERSION

The DaemonSet and the Helm chart: fields and types of the Kubernetes API, the
rights that host-probe may have and no more, options that it takes, that each
value does something, and that the two are the same where nothing is
configured. With --operator also what is for the Prometheus Operator, shipped
and rendered: fields and values as its own resources have them, which npm
fetches.
"""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

import kubernetes_schema
from chart import FOLDER, ROOT, Renderer, described, merged
from chart_values import BAD, GOOD
from operator_objects import Schemas, check_operator, check_pod_monitor, shipped_object

# As the models of Debian's python3-kubernetes are called.
MODELS = {kind: f"V1{kind}" for kind in ("ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "NetworkPolicy", "Role",
                                         "RoleBinding", "ServiceAccount")}
# Options that nobody needs in a pod: NODE_NAME is in the environment, and the ServiceAccount where it always is.
NOT_IN_PODS = {"--help", "--version", "--web.systemd-socket", "--node-name", "--service-account"}


def without_helm(document):
    """As somebody would write it who has no Helm."""
    document = copy.deepcopy(document)
    metadata = document["metadata"]
    del metadata["namespace"]
    for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
        del metadata["labels"][label]
    return document


def by_kind(documents):
    """The objects of a release, of which there is one of a kind."""
    documents = list(documents)
    found = {document["kind"]: document for document in documents}
    assert len(found) == len(documents), [document["kind"] for document in documents]
    return found


def of(pod):
    """host-probe's container."""
    return next(container for container in pod["containers"] if container["name"] == "host-probe")


def check_profile(pod, values):
    """The profile of the container is on the node when it starts: from the image by the init container, or before."""
    container = of(pod)
    profile = container["securityContext"]["seccompProfile"]
    wanted = values["seccompProfile"]
    inits = [each for each in pod.get("initContainers", []) if each["name"] == "seccomp-profile"]
    assert profile["type"] == wanted["type"]
    if wanted["type"] != "Localhost" or wanted["localhostProfile"]:
        assert not inits and profile.get("localhostProfile", "") == wanted["localhostProfile"]
        return
    init, = inits
    assert init["image"] == container["image"] and "add" not in init["securityContext"]["capabilities"]
    mount, = init["volumeMounts"]
    on_node, = (volume["hostPath"]["path"] for volume in pod["volumes"] if volume["name"] == mount["name"])
    # Its own directory and no more of the kubelet's.
    assert on_node == f"{values['kubeletDirectory']}/seccomp/{profile['localhostProfile'].rpartition('/')[0]}"
    assert f"{mount['mountPath']}/{profile['localhostProfile'].rpartition('/')[2]}" in init["args"][0]


# Each holds the socket of a container runtime, or is where one is.
RUNTIMES = re.compile("/(run|var/snap)/.*(containerd|crio|docker|k0s|k3s|microk8s)")


def check_access_to_the_api(objects, values):
    """With the API server for its names the pod has a token that may list, and no runtime's socket; else no token."""
    pod = objects["DaemonSet"]["spec"]["template"]["spec"]
    of_api = values["podsFrom"] == "api"
    assert pod["automountServiceAccountToken"] is of_api
    paths = [volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume]
    if not of_api:
        assert set(values["runtimeDirectories"]) <= set(paths)
        return
    assert not [path for path in paths if RUNTIMES.match(path)], paths
    assert {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}} in of(pod)["env"]
    assert {(group, kind, verb) for rule in objects["ClusterRole"]["rules"] for group in rule["apiGroups"]
            for kind in rule["resources"] for verb in rule["verbs"]} \
        == {("", "pods", "list"), ("node.k8s.io", "runtimeclasses", "list")}
    binding = objects["ClusterRoleBinding"]
    assert binding["roleRef"]["name"] == objects["ClusterRole"]["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": pod["serviceAccountName"],
                                    "namespace": objects["DaemonSet"]["metadata"]["namespace"]}]
    if policy := objects.get("NetworkPolicy"):
        ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
        assert ports == values["networkPolicy"]["apiServerPorts"]


def check_rights(pod):
    container = of(pod)
    for each in [container] + [each for each in pod.get("initContainers", []) if each["name"] == "seccomp-profile"]:
        rights = each["securityContext"]
        assert rights["privileged"] is False and rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"]["drop"] == ["ALL"]
    assert not {"hostNetwork", "hostIPC"} & pod.keys() and pod["hostPID"] is True
    names = [volume["name"] for volume in pod["volumes"]]
    assert len(set(names)) == len(names), f"volumes of one name: {names}"
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts.keys() == set(names) - {"seccomp"}
    writable = {name for name, mount in mounts.items() if not mount.get("readOnly")}
    assert writable <= {"state", "more"}, f"{writable} can be written"
    for volume in pod["volumes"]:
        if "hostPath" in volume and volume["name"] not in ("state", "seccomp"):
            path = volume["hostPath"]["path"]
            assert mounts[volume["name"]]["mountPath"] == path, f"{path} is elsewhere than on the node"


def check_arguments(container, host_probe):
    command, *arguments = container["args"]
    assert command == "run"
    with tempfile.TemporaryDirectory() as folder:
        web = f"--web.config.file={pathlib.Path(folder, 'web.yml')}"
        pathlib.Path(folder, "web.yml").write_text("{}\n")
        arguments = [web if argument.startswith("--web.config.file=/etc/katameter/web/") else argument
                     for argument in arguments]
        # As the kubelet sets them.
        given = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
        given |= {"NODE_NAME": "node-1"} if any(each["name"] == "NODE_NAME" for each in container.get("env", [])) else {}
        subprocess.run([host_probe, "check-config", *arguments], check=True, env=os.environ | given)


def check_probes(container, web):
    for probe, path in (("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")):
        if web["clientCertificates"]:
            assert container[probe]["tcpSocket"] == {"port": "metrics"}
        else:
            scheme = {"scheme": "HTTPS"} if web["tls"] else {}
            assert container[probe]["httpGet"] == {"path": path, "port": "metrics"} | scheme


def check_daemonset(document, values, host_probe):
    spec = document["spec"]
    labels = spec["template"]["metadata"]["labels"].items()
    assert spec["selector"]["matchLabels"].items() <= labels
    pod = spec["template"]["spec"]
    check_rights(pod)
    check_profile(pod, values)
    container = of(pod)
    port, = container["ports"]
    # All addresses, IPv4 and IPv6.
    assert port["name"] == "metrics" and f"--web.listen-address=:{port['containerPort']}" in container["args"]
    check_probes(container, values["web"])
    check_arguments(container, host_probe)


def check_default(objects, version):
    daemonset = objects["DaemonSet"]
    pod = daemonset["spec"]["template"]["spec"]
    container, = pod["containers"]
    assert pod["nodeSelector"] == {"katacontainers.io/kata-runtime": "true", "kubernetes.io/os": "linux"}
    paths = {volume["hostPath"]["path"] for volume in pod["volumes"]}
    assert {"/run/vc", "/run/kata", "/run/containerd", "/run/crio"} <= paths
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert set(container["securityContext"]["capabilities"]["add"]) == {"BPF", "PERFMON"}
    assert container["image"] == f"katameter-host:{version}"
    assert daemonset["metadata"]["labels"]["app.kubernetes.io/version"] == version
    shipped = list(yaml.safe_load_all((ROOT / "packaging/kubernetes/daemonset.yaml").read_text()))
    assert by_kind(shipped) == {kind: without_helm(document) for kind, document in objects.items()}, \
        "packaging/kubernetes/daemonset.yaml is not what the chart renders"
    monitor = shipped_object("pod-monitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= daemonset["spec"]["template"]["metadata"]["labels"].items(), "the PodMonitor does not find the pods"


def check_release_names(render):
    """Names that YAML takes for something else, or that a label cannot hold."""
    for release in ("123", "1e3", "true", "r" * 53):
        for document in render(render.defaults, release):
            kubernetes_schema.check(document, MODELS[document["kind"]], f"{document['kind']} of release {release}")
            assert len(document["metadata"]["name"]) <= 63
            assert document["metadata"]["labels"]["app.kubernetes.io/instance"] == release


def check_metrics(objects, values, operator):
    """What Prometheus and Grafana get."""
    if monitor := objects.get("PodMonitor"):
        check_pod_monitor(monitor, values, objects["DaemonSet"]["spec"]["template"]["metadata"]["labels"], operator)
    if role := objects.get("Role"):
        shipped = by_kind(yaml.safe_load_all((ROOT / "packaging/prometheus/kube-prometheus-rbac.yaml").read_text()))
        assert role["rules"] == shipped["Role"]["rules"]
        assert objects["RoleBinding"]["roleRef"] == shipped["RoleBinding"]["roleRef"] | {"name": role["metadata"]["name"]}
    if rule := objects.get("PrometheusRule"):
        if operator:
            operator.check(rule)
        shipped = (ROOT / "packaging/prometheus/alerts.yml").read_text()
        expected = yaml.safe_load(shipped.replace('job="katameter"', f'job="{values["podMonitor"]["job"]}"'))
        for group in expected["groups"]:
            group["rules"] = [each for each in group["rules"]
                              if each["alert"] not in values["prometheusRule"]["disabledAlerts"]]
        assert rule["spec"] == expected, "the chart's PrometheusRule is not alerts.yml"
    if values["dashboards"]["enabled"]:
        board = json.loads(objects["ConfigMap"]["data"]["kata-sandboxes.json"])
        assert board == json.loads((ROOT / "packaging/grafana/kata-sandboxes.json").read_text())


def check_notes(render):
    render(render.defaults, "katameter")
    for said in ("names no registry", "Nobody scrapes it yet", "guest-probe", "enforce=privileged", "kata-runtime=true"):
        assert said in render.notes, render.notes
    assert "podsFrom" not in render.notes
    set_up = {"image": {"registry": "registry.test"}, "podMonitor": {"enabled": True}, "web": {"configSecret": "web"},
              "podsFrom": "api"}
    render(merged(render.defaults, set_up), "katameter")
    for said in ("podsFrom=api", "kubelet.serviceMonitor.cAdvisorMetricRelabelings", "podMonitor.rbac.create=true"):
        assert said in render.notes, render.notes
    for said in ("names no registry", "Nobody scrapes it yet", "Every pod of the cluster"):
        assert said not in render.notes, render.notes


def with_default(values, defaults, path):
    """The values with the default at this path."""
    key, *rest = path
    if rest:
        return values | {key: with_default(values[key], defaults[key], rest)}
    return values | {key: defaults[key]}


def has(values, path):
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True


def check_that_each_value_counts(render, schema):
    """In some example it is not the default, and the default in its place gives other objects."""
    left = [path for path, _, inner in described(schema, render.defaults)
            if not inner and path[0] not in ("enabled", "global")]
    for values in GOOD:
        everything = merged(render.defaults, values)
        rendered = render(everything, "other")
        for path in [path for path in left if has(values, path)]:
            if render(with_default(everything, render.defaults, path), "other") != rendered:
                left.remove(path)
    assert not left, f"no example shows what these do: {['.'.join(path) for path in left]}"


def check_options(host_probe, schema):
    """Each option of host-probe can be set, by one value."""
    text = subprocess.run([host_probe, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    known = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*[a-z]", text))
    template = set(re.findall(r"--[a-z][\w.-]*[a-z]", (FOLDER / "templates/daemonset.yaml").read_text()))
    pattern = re.compile(schema["properties"]["extraArgs"]["items"]["pattern"])
    further = {option for option in known if pattern.search(f"{option}=x")}
    unset = known - template - further - NOT_IN_PODS
    assert not unset, f"the chart cannot set {unset}"
    assert not template & further, f"twice: {template & further}"
    assert template <= known, f"host-probe has no {template - known}"


def check_values(render, host_probe, operator):
    schema = json.loads((FOLDER / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    for path, each, _ in described(schema, render.defaults):
        assert each.get("description"), f"{'.'.join(path)} is not described"
        assert path[0] in ("enabled", "global") or has(render.defaults, path), f"values.yaml has no {'.'.join(path)}"
    jsonschema.validate(render.defaults, schema)
    check_options(host_probe, schema)
    for values in GOOD:
        everything = merged(render.defaults, values)
        jsonschema.validate(everything, schema)
        objects = by_kind(render(everything, "other"))
        for kind, document in objects.items():
            if kind in MODELS:
                kubernetes_schema.check(document, MODELS[kind], document["metadata"]["name"])
        check_daemonset(objects["DaemonSet"], everything, host_probe)
        check_metrics(objects, everything, operator)
        check_access_to_the_api(objects, everything)
        expected = {"DaemonSet"} | {kind for kind, there in (
            ("ServiceAccount", everything["serviceAccount"]["create"]),
            ("NetworkPolicy", everything["networkPolicy"]["enabled"]),
            ("PodMonitor", everything["podMonitor"]["enabled"]),
            ("PrometheusRule", everything["prometheusRule"]["enabled"]),
            ("ClusterRole", everything["podsFrom"] == "api"),
            ("ClusterRoleBinding", everything["podsFrom"] == "api"),
            ("Role", everything["podMonitor"]["rbac"]["create"]),
            ("RoleBinding", everything["podMonitor"]["rbac"]["create"]),
            ("ConfigMap", everything["dashboards"]["enabled"] or everything["extraObjects"])) if there}
        assert objects.keys() == expected, f"{values}: {objects.keys()}"
    for values in BAD:
        assert not jsonschema.Draft7Validator(schema).is_valid(merged(render.defaults, values)), f"the schema takes {values}"
    check_that_each_value_counts(render, schema)


def main():
    build, host_probe, version, *operator = sys.argv[1:]
    render = Renderer(build)
    chart = yaml.safe_load((FOLDER / "Chart.yaml").read_text())
    assert chart["appVersion"] == version, f"Chart.yaml is of {chart['appVersion']}, this is {version}"
    schemas = Schemas() if operator == ["--operator"] else None
    if schemas:
        check_operator(schemas)
        print("what the Prometheus Operator gets is as it should be")
    check_default(by_kind(render(render.defaults, "katameter")), version)
    check_release_names(render)
    check_notes(render)
    check_values(render, host_probe, schemas)
    print("the DaemonSet and the chart are as they should be")


main()
