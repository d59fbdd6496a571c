#!/bin/bash
# usage: boot.sh COMMAND [ARG...]
#
# Runs a command that boots a guest and ends with its status. A kernel that was
# lost under emulation (see tests/vm/in_guest.sh) is booted once more, and said
# so: 125, the guest did not come up; 255, it died. A test that fails is not.

set -euo pipefail
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)

status=0
"$@" || status=$?
if [[ $status == 125 || $status == 255 ]] && [[ $("$top/vmtest/accel.sh") == tcg ]]; then
    echo "boot.sh: the guest's kernel was lost under emulation (status $status): booting it once more" >&2
    status=0
    "$@" || status=$?
fi
exit "$status"
