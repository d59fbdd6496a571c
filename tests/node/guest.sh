# shellcheck shell=dash disable=SC2016,SC3045,SC1090
# What runs in the guests of these tests, by busybox sh: does what the test
# writes to $SHARED/N.do, one after the other, and puts what it prints into
# $SHARED/N.done, with its exit status as the last line.

root=/sys/fs/cgroup

# The directories of a cgroup: one per v1 hierarchy, or the one of v2.
directories() { # CGROUP
    if [ "$CGROUP" = v2 ]; then
        echo "$root/$1"
        return
    fi
    for hierarchy in "$root"/*; do
        echo "$hierarchy/$1"
    done
}

make_cgroup() { # CGROUP
    for directory in $(directories "$1"); do
        [ ! -d "$directory" ] || continue
        mkdir "$directory"
        # A new cpuset is empty, and accepts no process.
        for file in cpuset.cpus cpuset.mems; do
            [ "$CGROUP" = v1 ] && [ -e "$directory/$file" ] && cat "${directory%/*}/$file" >"$directory/$file"
        done
    done
    [ "$CGROUP" = v1 ] || [ "$1" != cri-containerd ] || echo '+cpu +memory +pids' >"$root/$1/cgroup.subtree_control"
}

# A container of this id, by the place of its cgroup.
container() { # ID
    make_cgroup cri-containerd
    make_cgroup "cri-containerd/$1"
}

# Runs a script as a process of the container, and waits for it.
run_in() { # ID SCRIPT
    # shellcheck disable=SC2016 # expanded by the process itself
    sh -c 'for procs in $0; do echo $$ >$procs/cgroup.procs; done; exec "$@"' \
        "$(directories "cri-containerd/$1")" sh -c "$2"
}

# Wants a CPU for so many seconds; no process is started for it.
burn='
    read -r up _ </proc/uptime; end=$((${up%.*} + SECONDS_TO_BURN))
    while [ "${up%.*}" -lt "$end" ]; do
        i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done
        read -r up _ </proc/uptime
    done'
burn_in() { # ID SECONDS
    export SECONDS_TO_BURN="$2"
    run_in "$1" "$burn"
}

limit_memory() { # ID MIB
    if [ "$CGROUP" = v2 ]; then
        echo "${2}M" >"$root/cri-containerd/$1/memory.max"
    else
        echo "${2}M" >"$root/memory/cri-containerd/$1/memory.limit_in_bytes"
    fi
}

# In nanoseconds, as finely as its kernel counts it.
cpu_of() { # ID
    if [ "$CGROUP" = v2 ]; then
        echo "$(awk '/^usage_usec/ { print $2 }' "$root/cri-containerd/$1/cpu.stat")000"
    else
        cat "$root/cpu,cpuacct/cri-containerd/$1/cpuacct.usage"
    fi
}

memory_of() { # ID
    if [ "$CGROUP" = v2 ]; then
        cat "$root/cri-containerd/$1/memory.current"
    else
        cat "$root/memory/cri-containerd/$1/memory.usage_in_bytes"
    fi
}

# A sleep that starts no process.
mkfifo /tmp/never
number=1
while :; do
    until [ -e "$SHARED/$number.do" ]; do
        read -r -t 0.3 _ <>/tmp/never
    done
    (. "$SHARED/$number.do") >/tmp/said 2>&1
    echo $? >>/tmp/said
    cp /tmp/said "$SHARED/$number.part"
    mv "$SHARED/$number.part" "$SHARED/$number.done"
    number=$((number + 1))
done
