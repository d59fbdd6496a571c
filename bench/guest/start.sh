#!/bin/bash
# usage: bench/guest/start.sh TIMES
#
# In a guest: from nothing to a guest-probe that serves, beside bpftool loading the
# same programs, in turns.

set -euo pipefail
. bench/guest/lib.sh
now_ns() { date +%s%N; }

for ((i = 0; i < $1; ++i)); do
    start=$(now_ns)
    "$bin/guest-probe" run --pin-dir "" --listen "unix:$bin/socket" 2>$bin/probe.log &
    probe=$!
    until grep -qs 'is ready' $bin/probe.log; do sleep 0.01; done
    measured start guest-probe 1 ms $((($(now_ns) - start) / 1000000))
    # What of it is the self-check: from the last program loaded to ready.
    end "$probe"

    mkdir -p /sys/fs/bpf/bench
    start=$(now_ns)
    bpftool prog loadall "$bin/served.bpf.o" /sys/fs/bpf/bench
    measured start 'bpftool prog loadall' 1 ms $((($(now_ns) - start) / 1000000))
    rm -r /sys/fs/bpf/bench
done
