#!/bin/bash
# usage: check_overhead.sh HISTORY EXPOSITION
#
# Judges what `host-probe overhead` makes of the demo: one sandbox, a
# RuntimeClass that can be applied, and a memory overhead as in the exposition.

set -euo pipefail

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

said=$(build/bin/host-probe overhead --state-file "$1")
grep -q '^# p95 of 1 sandbox over ' <<<"$said" || fail "it stands on something else than one sandbox: $said"
for line in 'apiVersion: node.k8s.io/v1' 'kind: RuntimeClass' '  name: "handler-not-known"' 'handler: "handler-not-known"' 'overhead:' '  podFixed:'; do
    grep -qxF -- "$line" <<<"$said" || fail "there is no line '$line': $said"
done
grep -qxE '    cpu: [1-9][0-9]*m' <<<"$said" || fail "there is no CPU: $said"
memory=$(sed -n 's/^    memory: \([1-9][0-9]*\)Mi$/\1/p' <<<"$said")
[[ $memory ]] || fail "there is no memory: $said"
awk -v mib="$memory" '
/^katameter_sandbox_host_memory_bytes/ { total = $NF / 1048576 }
/^katameter_sandbox_memory_bytes.*component="vmm"/ { vmm = $NF / 1048576 }
END { exit !(mib > vmm && mib <= total + 16) }' "$2" || fail "$memory MiB are not the overhead"
echo "the overhead is as it should be"
