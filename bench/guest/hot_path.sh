#!/bin/bash
# usage: bench/guest/hot_path.sh ROTATION
#
# In a guest: what a context switch, a fork with exec and exit, a page fault and
# a container's cgroups cost with each of the baselines attached. ROTATION says who
# is first, so that the order is another in each repetition.

set -euo pipefail
. bench/guest/lib.sh
mkdir -p /sys/fs/cgroup/{cpu\,cpuacct,memory,pids,blkio}/cri-containerd

microbench() { # BASELINE
    local storm
    for storm in 'switch 4000' 'spawn 60' 'fault 10240' 'cgroup 100'; do
        # shellcheck disable=SC2086  # a kind and its rounds
        measured "time-${storm% *}" "$1" 1 ns "$("$bin/microbench" $storm)"
    done
}

with_program() { # BASELINE TEXT COMMAND...
    local baseline=$1 text=$2 pid
    shift 2
    "$@" >$bin/baseline.log 2>&1 &
    pid=$!
    wait_for "$text" $bin/baseline.log
    microbench "$baseline"
    end "$pid"
}

with_nothing() { microbench 'no probe'; }
# How much two runs of the same differ is what no difference means.
with_nothing_again() { microbench 'no probe, again'; }
with_empty() { with_program 'empty BPF program' ready "$bin/attach" "$bin/empty.bpf.o"; }
with_per_pid() { with_program 'hash per pid' ready "$bin/attach" "$bin/per_pid.bpf.o"; }
with_per_cgroup() { with_program 'hash per cgroup' ready "$bin/attach" "$bin/per_cgroup.bpf.o"; }
with_cpudist() { with_program 'cpudist' Tracing stdbuf -oL /usr/sbin/cpudist; }
with_probe() {
    start_probe "$bin/guest-probe"
    microbench guest-probe
    end "$probe"
}

baselines=(nothing empty probe per_pid nothing_again per_cgroup cpudist)
for ((i = 0; i < ${#baselines[@]}; ++i)); do
    "with_${baselines[($1 + i) % ${#baselines[@]}]}"
done
