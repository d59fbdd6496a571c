#!/bin/bash
# Runs the demo once, on a port of its own, and judges what it left and what it
# left behind.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
cd "$here/../.."

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Folders of demos, and processes that work in one; of other demos too, so only what is new counts.
left_behind() {
    find /tmp -maxdepth 1 -name 'katameter.??????' | sort
    # 1: there is none; anything else would make this check one that cannot fail.
    pgrep -f '/tmp/katameter\.[A-Za-z0-9]{6}/' || [[ $? == 1 ]]
}

before=$(left_behind)
rm -f build/demo/metrics.prom
# See tests/vm/in_guest.sh: a kernel lost under emulation is booted once more, and only that.
kernel_was_lost() {
    [[ $(vmtest/accel.sh) == tcg ]] &&
        grep -E 'soft lockup|Kernel panic|Oops' build/demo/console.log
}
scripts/demo.sh --once --built --port 9787 || {
    kernel_was_lost || fail "the demo did not work"
    echo "the guest's kernel was lost under emulation: once more" >&2
    scripts/demo.sh --once --built --port 9787 || fail "the demo did not work"
}
new=$(comm -13 <(sort <<<"$before") <(left_behind | sort))
[[ -z $new ]] || fail "the demo left something: $new"

"$here/check_metrics.sh" build/demo/metrics.prom
"$here/check_accounting.sh" build/demo/earlier.prom build/demo/metrics.prom
# The demo with others who want the host's CPUs as soon as there are metrics.
contended_demo() {
    local say=build/demo/contended.log demo loops=() i start=$SECONDS status=0
    scripts/demo.sh --once --built --port 9787 >"$say" 2>&1 &
    demo=$!
    until grep -q 'metrics are at' "$say" || ! kill -0 "$demo" 2>/dev/null; do
        sleep 0.1
    done
    for ((i = 0; i < 2 * $(nproc); i++)); do
        # No timeout(1): a signal that finds it in its fork leaves the loop running.
        while ((SECONDS < start + 300)); do :; done &
        loops+=($!)
    done
    wait "$demo" || status=$?
    kill "${loops[@]}" || fail "the loops ended before the contended demo did"
    wait "${loops[@]}" || true # killed
    ((status == 0)) || cat "$say" >&2
    return "$status"
}
contended_demo || {
    kernel_was_lost || fail "the contended demo did not work"
    echo "the guest's kernel was lost under emulation: once more" >&2
    contended_demo || fail "the contended demo did not work"
}
"$here/check_accounting.sh" build/demo/earlier.prom build/demo/metrics.prom contended
"$here/check_overhead.sh" build/demo/overhead.json build/demo/metrics.prom
