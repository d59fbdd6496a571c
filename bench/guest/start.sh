#!/bin/bash
# usage: bench/guest/start.sh TIMES
#
# In a guest: from nothing to a guest-probe that serves, beside the same programs
# loaded and nothing else (bench/baselines/load.c), in turns.

set -euo pipefail
. bench/guest/lib.sh
now_ns() { date +%s%N; }
cp build/bpf/guest.linked.o $bin

# Sets took_ms and, of those that guest-probe keeps loaded, programs. Nothing looks again and again whether it is ready:
# that would take its CPU.
start_and_end_probe() {
    local start line probe
    start=$(now_ns)
    coproc PROBE { exec "$bin/guest-probe" run --pin-dir "" --listen "unix:$bin/socket" 2>&1; }
    # shellcheck disable=SC2153 # coproc sets it
    probe=$PROBE_PID
    until [[ ${line:-} == *'is ready'* ]]; do
        IFS= read -r line <&"${PROBE[0]}"
    done
    took_ms=$((($(now_ns) - start) / 1000000))
    mapfile -t programs < <(bpftool -j prog show |
        python3 -c 'import json, sys; print(*{p["name"] for p in json.load(sys.stdin) if "name" in p}, sep="\n")')
    end "$probe"
}

# The kernel reads its own BTF when the first program of any process is loaded.
start_and_end_probe
for ((i = 0; i < $1; ++i)); do
    start_and_end_probe
    measured start guest-probe 1 ms $took_ms

    start=$(now_ns)
    "$bin/load" $bin/guest.linked.o "${programs[@]}" >&2
    measured start 'loading alone' 1 ms $((($(now_ns) - start) / 1000000))
done
