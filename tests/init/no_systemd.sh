#!/bin/bash
# usage: no_systemd.sh [OPTION...]
#
# Boots a Kata-like sandbox in which nothing starts guest-probe, has hooks.sh
# run in it, and asks the guest for vsock port 1717 at the end. Options are
# those of vmtest/sandbox.sh. Exit status: 0, 1; 125 if the sandbox did not come
# up.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
top=$here/../..
id=$(printf 'c0de%.0s' {1..16})
dir=$(mktemp -d /tmp/katameter.XXXXXX)
sandbox=''

# A sandbox that leaves otherwise than asked is a failure, too.
finish() {
    local status=$? left=0
    if [[ $sandbox ]]; then
        # One that has ended already is reported with its status.
        kill -TERM "$sandbox" 2>/dev/null || :
        wait "$sandbox" 2>/dev/null || left=$?
        if ((left != 0 && left != 128 + 15)); then
            echo "FAILED: the sandbox left with status $left" >&2
            ((status)) || status=1
        fi
    fi
    rm -rf "$dir"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() { # STATUS WHAT
    echo "FAILED: $2" >&2
    [[ ! -e $dir/console.log ]] || tail -n 40 "$dir/console.log" >&2
    exit "$1"
}

mkfifo "$dir/ready"
setpriv --pdeathsig TERM "$top/vmtest/sandbox.sh" --id "$id" --dir "$dir" --start none \
    --init "$here/hooks.sh" "$@" >"$dir/ready" &
sandbox=$!
IFS= read -r line <"$dir/ready" || fail 125 "the sandbox did not come up"
[[ $line == ready ]] || fail 125 "the sandbox said '$line'"

for ((tries = 0; tries < 900; tries++)); do
    ! grep -q '^hooks: end' "$dir/console.log" || break
    kill -0 "$sandbox" 2>/dev/null || fail 255 "the sandbox has ended"
    sleep 0.2
done
grep '^hooks: ' "$dir/console.log" || fail 1 "the guest said nothing"
grep -q '^hooks: end 0' "$dir/console.log" || fail 1 "not done"
"$top/vmtest/sandbox/connect.py" "$dir/run/vc/vm/$id/clh.sock" 1717 || fail 1 "the host cannot connect"
