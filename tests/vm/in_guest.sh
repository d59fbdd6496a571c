#!/bin/bash
# usage: in_guest.sh REPORT OPTION... -- COMMAND...
#
# Runs a test in a guest; OPTIONs are those of vmtest/vm.sh. What its tests and guest-probe check said goes to the
# file REPORT, for scripts/kernels.sh; its first line names the guest, its last
# one is the exit status.
#
# QEMU without KVM now and then loses a guest's kernel while it rewrites its own
# code (tracepoints attaching, 7.3 at boot; "Oops: int3", a soft lockup): such a
# guest is booted again, twice at most, and said so; one that hangs only if it
# said nothing at all.
# A test that fails or hangs is never repeated, and with KVM nothing is.

set -euo pipefail
vmtest=$(cd "${BASH_SOURCE[0]%/*}/../../vmtest" && pwd)
report=$1 guest=()
shift
while [[ $1 != -- ]]; do
    guest+=("$1")
    shift
done
shift
mkdir -p "${report%/*}"

run() {
    printf '@guest\t%s\n' "${guest[*]}" >"$report"
    "$vmtest/vm.sh" --timeout 900 "${guest[@]}" -- env KATAMETER_REPORT=yes "$@" |
        awk -v report="$report" '/^@(check|test)\t/ { print >>report; next } { print; fflush() }'
}

for attempt in 1 2 3; do
    status=0
    run "$@" || status=$?
    # A guest that hangs before the test program has begun.
    if [[ $status == 124 ]] && ! grep -q '^@\(check\|test\)' "$report"; then
        status=125
    fi
    # 125: the guest did not come up, 255: it died.
    [[ ($status == 125 || $status == 255) && $("$vmtest/accel.sh") == tcg ]] || break
    ((attempt == 3)) ||
        echo "in_guest.sh: the guest's kernel was lost under emulation (status $status): booting it again" >&2
done
printf '@end\t%s\n' "$status" >>"$report"
exit "$status"
