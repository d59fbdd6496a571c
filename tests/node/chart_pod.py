#!/usr/bin/python3
"""usage: chart_pod.py HELM [ARGUMENT...]

Prints as JSON what a kubelet makes of the pod of the chart's DaemonSet, which
the program HELM renders with the ARGUMENTs of `helm template`: the directories
that it makes on the node, CRI's PodSandboxConfig and ContainerConfigs, and what
it asks to know whether the pod is ready. What is not translated here is an
error, unless it is about the cluster.
"""

import json
import pathlib
import subprocess
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "packaging/helm/katameter"
KUBELET = "/var/lib/kubelet"
NAMESPACE, NAME, UID = "katameter", "katameter-host-x7k2p", "5b8f0d3e-5c1b-4c0e-9f57-0c2d3b1f6a42"
# Of a pod whose procMount is Default.
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
PROPAGATION = {None: "PROPAGATION_PRIVATE", "None": "PROPAGATION_PRIVATE", "HostToContainer": "PROPAGATION_HOST_TO_CONTAINER",
               "Bidirectional": "PROPAGATION_BIDIRECTIONAL"}


def known(what, *keys):
    assert what.keys() <= set(keys), f"not translated: {what.keys() - set(keys)}"
    return what


def quantity(text):
    for suffix, factor in (("m", 1e-3), ("Mi", 2**20), ("", 1)):
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    raise AssertionError(text)


def resources(wanted):
    known(wanted, "requests", "limits")
    request, limit = (known(wanted[kind], "cpu", "memory") for kind in ("requests", "limits"))
    return {"cpu_shares": int(quantity(request["cpu"]) * 1024), "cpu_period": 100000,
            "cpu_quota": int(quantity(limit["cpu"]) * 100000), "memory_limit_in_bytes": int(quantity(limit["memory"]))}


def seccomp(profile):
    known(profile, "type", "localhostProfile")
    if profile["type"] != "Localhost":
        return {"profile_type": profile["type"]}
    return {"profile_type": "Localhost", "localhost_ref": f"{KUBELET}/seccomp/{profile['localhostProfile']}"}


def security_context(rights, namespaces):
    known(rights, "runAsUser", "runAsGroup", "privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities",
          "seccompProfile")
    capabilities = known(rights["capabilities"], "add", "drop")
    return {"run_as_user": {"value": rights["runAsUser"]}, "run_as_group": {"value": rights["runAsGroup"]},
            "privileged": rights["privileged"], "no_new_privs": not rights["allowPrivilegeEscalation"],
            "readonly_rootfs": rights["readOnlyRootFilesystem"],
            "capabilities": {"add_capabilities": capabilities.get("add", []), "drop_capabilities": capabilities["drop"]},
            "seccomp": seccomp(rights["seccompProfile"]), "namespace_options": namespaces, "masked_paths": MASKED,
            "readonly_paths": READONLY}


def container_config(container, volumes, namespaces):
    known(container, "name", "image", "imagePullPolicy", "command", "args", "ports", "securityContext", "livenessProbe",
          "readinessProbe", "resources", "volumeMounts")
    mounts = [{"host_path": volumes[mount["name"]], "container_path": mount["mountPath"],
               "readonly": mount.get("readOnly", False), "propagation": PROPAGATION[mount.get("mountPropagation")]}
              for mount in (known(mount, "name", "mountPath", "readOnly", "mountPropagation")
                            for mount in container["volumeMounts"])]
    return {"metadata": {"name": container["name"]}, "image": {"image": container["image"]},
            "command": container.get("command", []), "args": container.get("args", []), "mounts": mounts,
            "log_path": f"{container['name']}/0.log",
            "linux": {"resources": resources(container["resources"]),
                      "security_context": security_context(container["securityContext"], namespaces)}}


def daemonset(helm, arguments):
    rendered = subprocess.run([helm, "template", "katameter", CHART, "--namespace", NAMESPACE, *arguments], check=True,
                              stdout=subprocess.PIPE).stdout
    found, = (document for document in yaml.safe_load_all(rendered) if document and document["kind"] == "DaemonSet")
    return found


def main():
    pod = daemonset(sys.argv[1], sys.argv[2:])["spec"]["template"]["spec"]
    known(pod, "serviceAccountName", "automountServiceAccountToken", "nodeSelector", "tolerations", "affinity", "hostPID",
          "terminationGracePeriodSeconds", "initContainers", "containers", "volumes")
    assert not pod["automountServiceAccountToken"]
    volumes = {volume["name"]: known(volume["hostPath"], "path", "type")
               for volume in (known(volume, "name", "hostPath") for volume in pod["volumes"])}
    assert all(volume["type"] == "DirectoryOrCreate" for volume in volumes.values()), volumes
    paths = {name: volume["path"] for name, volume in volumes.items()}
    namespaces = {"network": "POD", "pid": "NODE" if pod["hostPID"] else "CONTAINER", "ipc": "POD"}
    init, (served,) = pod.get("initContainers", []), pod["containers"]
    ready = known(known(served["readinessProbe"], "httpGet", "periodSeconds", "timeoutSeconds")["httpGet"], "path", "port")
    port, = (port["containerPort"] for port in served["ports"] if port["name"] == ready["port"])
    print(json.dumps({
        "directories": list(paths.values()),
        "pod": {"metadata": {"name": NAME, "namespace": NAMESPACE, "uid": UID}, "hostname": NAME,
                "log_directory": f"/var/log/pods/{NAMESPACE}_{NAME}_{UID}",
                "linux": {"cgroup_parent": f"/kubepods/burstable/pod{UID}",
                          "security_context": {"namespace_options": namespaces, "seccomp": {"profile_type": "RuntimeDefault"}}}},
        "init_containers": [container_config(container, paths, namespaces) for container in init],
        "container": container_config(served, paths, namespaces),
        "port": port,
        "ready": ready["path"],
        "grace_s": pod["terminationGracePeriodSeconds"],
    }, indent=1))


main()
