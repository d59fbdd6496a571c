#!/bin/bash
# usage: tests/packaging/as_container.sh ROOT
#
# Starts the host-probe that is installed in ROOT as the DaemonSet has it
# started in the image, which is such a root: with its arguments and no
# capabilities but its own, a root file system that cannot be written, the
# node's processes in /proc. Asks it for what kubelet and Prometheus ask.
# check_packages.sh calls this in namespaces that end with it.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"

root=$1
log=$root.container.log
mapfile -t settings < <(/usr/bin/python3 - "$here/../../packaging/kubernetes/daemonset.yaml" <<'PYTHON'
import sys
import yaml
container, = yaml.safe_load(open(sys.argv[1]))["spec"]["template"]["spec"]["containers"]
print(",".join(f"+{name.lower()}" for name in container["securityContext"]["capabilities"]["add"]))
print("\n".join(container["args"]))
PYTHON
)
capabilities=-all,${settings[0]}
arguments=("${settings[@]:1}")

ip link set lo up
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mkdir -p "$root/var/lib/katameter"
mount -t tmpfs tmpfs "$root/var/lib/katameter"
mount -o remount,ro,bind "$root"
if touch "$root/etc/written" 2>/dev/null; then
    die "the root can be written"
fi

# chroot and setpriv become host-probe: the process is its own.
chroot "$root" setpriv --bounding-set="$capabilities" --inh-caps="$capabilities" --no-new-privs \
    /usr/bin/host-probe "${arguments[@]}" >"$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null || true' EXIT

url=http://127.0.0.1:9717
for ((i = 0; i < 300; i++)); do
    ! curl -fs "$url/-/ready" >/dev/null || break
    kill -0 "$pid" 2>/dev/null || die "host-probe has ended: $(<"$log")"
    sleep 0.1
done
curl -fsS "$url/-/healthy" >/dev/null
curl -fsS "$url/metrics" >"$root.container.metrics"
grep -qx 'katameter_collector_success{collector="processes"} 1' "$root.container.metrics" ||
    die "no metrics of the host's processes with $capabilities: $(<"$log")"
kill "$pid"
wait "$pid" || die "host-probe ended with $?: $(<"$log")"
trap - EXIT
say "served with $capabilities from a root that cannot be written"
