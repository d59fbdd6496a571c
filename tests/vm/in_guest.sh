#!/bin/bash
# usage: in_guest.sh KERNEL CGROUP COMMAND...
#
# Runs a test in a guest. QEMU without KVM now and then loses a guest's kernel
# while it rewrites its own code (tracepoints attaching; "Oops: int3", a soft
# lockup): such a guest is booted once more, and said so. A test that fails is
# never repeated, and with KVM nothing is.

set -euo pipefail
vmtest=$(cd "${BASH_SOURCE[0]%/*}/../../vmtest" && pwd)
kernel=$1 cgroup=$2
shift 2

run() {
    "$vmtest/vm.sh" --kernel "$kernel" --cgroup "$cgroup" --timeout 300 -- "$@"
}

status=0
run "$@" || status=$?
# 125: the guest did not come up, 255: it died.
if [[ $status == 125 || $status == 255 ]] && [[ $("$vmtest/accel.sh") == tcg ]]; then
    echo "in_guest.sh: the guest's kernel was lost under emulation (status $status): booting it once more" >&2
    status=0
    run "$@" || status=$?
fi
exit "$status"
