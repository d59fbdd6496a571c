#!/bin/bash
# usage: bench/guest/start.sh TIMES
#
# In a guest: from nothing to a guest-probe that serves, beside the same programs
# loaded and nothing else (bench/rivals/load.c), in turns.

set -euo pipefail
. bench/guest/lib.sh
now_ns() { date +%s%N; }
cp build/bpf/guest.linked.o $bin

for ((i = 0; i < $1; ++i)); do
    start=$(now_ns)
    "$bin/guest-probe" run --pin-dir "" --listen "unix:$bin/socket" 2>$bin/probe.log &
    probe=$!
    until grep -qs 'is ready' $bin/probe.log; do sleep 0.01; done
    measured start guest-probe 1 ms $((($(now_ns) - start) / 1000000))
    mapfile -t programs < <(bpftool -j prog show |
        python3 -c 'import json, sys; print(*{p["name"] for p in json.load(sys.stdin) if "name" in p}, sep="\n")')
    end "$probe"

    start=$(now_ns)
    "$bin/load" $bin/guest.linked.o "${programs[@]}" >&2
    measured start 'loading alone' 1 ms $((($(now_ns) - start) / 1000000))
done
