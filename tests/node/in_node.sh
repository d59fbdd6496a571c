#!/bin/bash
# usage: in_node.sh [--packages BUILD | --image ARCHIVE] [--guest 'KERNEL CGROUP START']... OPTION... --
#                   GUEST_PROBE NODE_TESTS TESTS...
#
# Makes what the guests of the node boot with and runs the tests in a node;
# OPTIONs are those of vmtest/node.sh. --packages: the node has systemd, in whose
# root the Debian packages of BUILD are in /packages, not installed. --image: the
# container image of host-probe, for which the chart's pod is rendered, once as
# it is and once with a seccomp profile that the node has, no-vsock.json. --guest:
# guests that may start in it besides those that all tests have.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
top=$here/../..
vmtest=$top/vmtest
. "$top/scripts/lib/say.sh"
. "$top/tests/packaging/debs.sh"
options=() build='' image='' guests=('5.10.262 v1 boot' '5.10.262 v1 none' '6.18 v2 boot')
while [[ $1 != -- ]]; do
    case $1 in
    --packages) build=$2 && shift ;;
    --image) image=$2 && shift ;;
    --guest) guests+=("$2") && shift ;;
    *) options+=("$1") ;;
    esac
    shift
done
probe=$2
shift 2

work=$(mktemp -d /tmp/katameter-node.XXXXXX)
trap 'rm -rf "$work"' EXIT
for guest in "${guests[@]}"; do
    read -r kernel cgroup start <<<"$guest"
    "$vmtest/sandbox.sh" --make-initrd "$work/$kernel-$cgroup-$start" --kernel "$kernel" --cgroup "$cgroup" \
        --start "$start" --init "$here/guest.sh" --guest-probe "$probe"
done
if [[ $build ]]; then
    cp -a "$("$vmtest/debian.sh")/root" "$work/root"
    "$top/tests/init/add_libraries.sh" "$work/root"
    mkdir "$work/root/packages"
    pack "$build" "$work/root/packages"
    options+=(--systemd "$work/root")
fi
if [[ $image ]]; then
    [[ -r $image ]] || die "there is no image $image: the test 'image' makes it"
    [[ -x /usr/lib/cni/ptp ]] || die "containernetworking-plugins is missing: run scripts/packages.sh image"
    helm=$("$top/tests/packaging/fetch_helm.sh")
    mkdir "$work/pods"
    "$here/chart_pod.py" "$helm" >"$work/pods/default.json"
    "$here/chart_pod.py" "$helm" --set seccompProfile.localhostProfile=no-vsock.json >"$work/pods/no-vsock.json"
fi
"$vmtest/node.sh" --timeout 1200 "${options[@]}" -- env INITRDS="$work" IMAGE="$image" CHART_PODS="$work/pods" "$@"
