#!/bin/bash
# usage: bench/guest/hot_path.sh ROTATION
#
# In a guest: what a context switch, a fork with exec and exit, a page fault and
# a container's cgroups cost with each of the rivals attached. ROTATION says who
# is first, so that the order is another in each repetition.

set -euo pipefail
. bench/guest/lib.sh
mkdir -p /sys/fs/cgroup/{cpu\,cpuacct,memory,pids,blkio}/cri-containerd

storms() { # RIVAL
    local storm
    for storm in 'switch 4000' 'spawn 60' 'fault 10240' 'cgroup 100'; do
        # shellcheck disable=SC2086  # a kind and its rounds
        measured "time-${storm% *}" "$1" 1 ns "$("$bin/storms" $storm)"
    done
}

with_program() { # RIVAL TEXT COMMAND...
    local rival=$1 text=$2 pid
    shift 2
    "$@" >$bin/rival.log 2>&1 &
    pid=$!
    wait_for "$text" $bin/rival.log
    storms "$rival"
    end "$pid"
}

with_nothing() { storms 'no probe'; }
# How much two runs of the same differ is what no difference means.
with_nothing_again() { storms 'no probe, again'; }
with_empty() { with_program 'empty BPF program' ready "$bin/attach" "$bin/empty.bpf.o"; }
with_per_pid() { with_program 'hash per pid' ready "$bin/attach" "$bin/per_pid.bpf.o"; }
with_per_cgroup() { with_program 'hash per cgroup' ready "$bin/attach" "$bin/per_cgroup.bpf.o"; }
with_cpudist() { with_program 'cpudist' Tracing stdbuf -oL /usr/sbin/cpudist; }
with_probe() {
    start_probe "$bin/guest-probe"
    storms guest-probe
    end "$probe"
}

rivals=(nothing empty probe per_pid nothing_again per_cgroup cpudist)
for ((i = 0; i < ${#rivals[@]}; ++i)); do
    "with_${rivals[($1 + i) % ${#rivals[@]}]}"
done
