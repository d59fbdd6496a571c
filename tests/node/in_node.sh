#!/bin/bash
# usage: in_node.sh OPTION... -- GUEST_PROBE NODE_TESTS TESTS...
#
# Makes what the guests of the node boot with and runs the tests in a node;
# OPTIONs are those of vmtest/node.sh.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
vmtest=$here/../../vmtest
options=()
while [[ $1 != -- ]]; do
    options+=("$1")
    shift
done
probe=$2
shift 2

work=$(mktemp -d /tmp/katameter-node.XXXXXX)
trap 'rm -rf "$work"' EXIT
for guest in '5.10.262 v1 boot' '5.10.262 v1 none' '6.18 v2 boot'; do
    read -r kernel cgroup start <<<"$guest"
    "$vmtest/sandbox.sh" --make-initrd "$work/$kernel-$cgroup-$start" --kernel "$kernel" --cgroup "$cgroup" \
        --start "$start" --init "$here/guest.sh" --guest-probe "$probe"
done
"$vmtest/node.sh" --timeout 1200 "${options[@]}" -- env INITRDS="$work" "$@"
