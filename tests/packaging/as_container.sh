#!/bin/bash
# usage: tests/packaging/as_container.sh ROOT
#
# Starts the host-probe that is installed in ROOT as the DaemonSet has it
# started in the image, which is such a root, with runc and then with crun: the
# init container puts the seccomp profile on the node, then host-probe runs
# behind it, with its arguments and no capabilities but its own, a root file
# system that cannot be written, the node's processes in /proc. Asks it for what
# kubelet and Prometheus ask, and runs `top` beside it as kubectl exec does.
# check_packages.sh calls this in namespaces that end with it.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"

image=$(realpath "$1")
work=$(mktemp -d /tmp/katameter-container.XXXXXX)
url=http://127.0.0.1:9717
name=katameter-$$
runtime=''
finish() {
    [[ ! $runtime ]] || "${runtime[@]}" delete --force "$name" 2>/dev/null || :
    umount --lazy "$work/root" "$work" 2>/dev/null || :
    rm -rf --one-file-system "$work"
}
trap finish EXIT

# bundle KIND: what the kubelet and the container runtime make of a container of the DaemonSet.
bundle() {
    mkdir -p "$work/$1"
    /usr/bin/python3 - "$here/../../packaging/kubernetes/daemonset.yaml" "$work" "$1" <<'PYTHON'
import json
import pathlib
import sys

import yaml

manifest, work, kind = sys.argv[1:]
pod = next(document for document in yaml.safe_load_all(open(manifest)) if document["kind"] == "DaemonSet")["spec"]["template"]["spec"]
container, = pod[kind]
rights = container["securityContext"]
paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
          {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
          {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}]
for mount in container["volumeMounts"]:
    on_node = pathlib.Path(work, "node" + paths[mount["name"]])
    on_node.mkdir(parents=True, exist_ok=True)
    mounts.append({"destination": mount["mountPath"], "type": "none", "source": str(on_node),
                   "options": ["rbind", "rprivate", "ro" if mount.get("readOnly") else "rw"]})
capabilities = [f"CAP_{name}" for name in rights["capabilities"].get("add", [])]
linux = {"namespaces": [{"type": name} for name in ("mount", "ipc", "uts")]}
if rights["seccompProfile"]["type"] == "Localhost":
    profile = pathlib.Path(work, "node/var/lib/kubelet/seccomp", rights["seccompProfile"]["localhostProfile"])
    linux["seccomp"] = json.loads(profile.read_text())
pathlib.Path(work, kind, "config.json").write_text(json.dumps({
    "ociVersion": "1.0.2",
    "process": {
        "user": {"uid": rights["runAsUser"], "gid": rights["runAsGroup"]},
        "args": container.get("command", ["/usr/bin/host-probe"]) + container["args"],
        "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        "cwd": "/",
        "capabilities": {kind: capabilities for kind in ("bounding", "effective", "permitted")},
        "noNewPrivileges": not rights["allowPrivilegeEscalation"],
    },
    "root": {"path": f"{work}/root", "readonly": rights["readOnlyRootFilesystem"]},
    "hostname": "node",
    "mounts": mounts,
    "linux": linux,
}))
PYTHON
}

serve() {
    local log=$work/log pid
    rm -rf "$work/node"
    bundle initContainers
    "${runtime[@]}" run --bundle "$work/initContainers" "$name" >"$log" 2>&1 || die "no profile is installed: $(<"$log")"
    cmp -s "$here/../../packaging/seccomp/host-probe.json" "$work/node/var/lib/kubelet/seccomp/katameter/host-probe.json" ||
        die "the node has another profile than packaging/seccomp"
    [[ $(ls -A "$work/node/var/lib/kubelet/seccomp/katameter") == host-probe.json ]] || die "the init container leaves files behind"

    bundle containers
    "${runtime[@]}" run --bundle "$work/containers" "$name" >"$log" 2>&1 &
    pid=$!
    for ((i = 0; i < 300; i++)); do
        ! curl -fs "$url/-/ready" >/dev/null || break
        kill -0 "$pid" 2>/dev/null || die "host-probe has ended: $(<"$log")"
        sleep 0.1
    done
    curl -fsS "$url/-/healthy" >/dev/null
    curl -fsS "$url/metrics" >"$work/metrics"
    grep -qx 'katameter_collector_success{collector="processes"} 1' "$work/metrics" ||
        die "no metrics of the host's processes in the container: $(<"$log")"
    "${runtime[@]}" exec --no-new-privs "$name" /usr/bin/host-probe top --json >"$work/top" 2>&1 || die "top in the container: $(<"$work/top")"
    grep -q '"sandboxes"' "$work/top" || die "top in the container says: $(<"$work/top")"
    # Only the history can be written, and no process can be started.
    "${runtime[@]}" exec --no-new-privs "$name" /bin/sh -c ': >/var/lib/katameter/written' || die "the history cannot be written"
    ! "${runtime[@]}" exec --no-new-privs "$name" /bin/sh -c ': >/etc/written' 2>/dev/null || die "the root can be written"
    ! "${runtime[@]}" exec --no-new-privs "$name" /bin/sh -c '/bin/true; :' 2>/dev/null || die "a process can be started in the container"
    "${runtime[@]}" kill "$name" TERM
    wait "$pid" || die "host-probe ended with $?: $(<"$log")"
    say "served in a container of ${runtime[0]}, behind its seccomp profile, from a root that cannot be written"
}

ip link set lo up
# The runtimes make the directories that they mount on: above the image, as on a node.
mount -t tmpfs tmpfs "$work"
mkdir "$work"/{root,above,overlay}
mount -t overlay -o "lowerdir=$image,upperdir=$work/above,workdir=$work/overlay" overlay "$work/root"
for program in runc crun; do
    command -v "$program" >/dev/null || die "$program is missing: run scripts/packages.sh test"
    runtime=("$program" --root "$work/$program")
    if [[ $program == crun ]]; then
        # It refuses to run where cgroup v1 and v2 are both in use, even when it leaves them alone.
        runtime+=(--cgroup-manager=disabled)
        mount -t tmpfs tmpfs /sys/fs/cgroup
    fi
    serve
done
