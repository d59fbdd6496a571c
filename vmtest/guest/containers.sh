# shellcheck shell=dash
# Containers in a guest of vmtest/sandbox.sh, by the place of their cgroups:
# cri-containerd/ID. For scripts of --init; busybox sh, with $CGROUP.

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
            [ "$CGROUP" = v1 ] && [ -e "$directory/$file" ] &&
                cat "${directory%/*}/$file" >"$directory/$file"
        done
    done
    if [ "$CGROUP" = v2 ] && [ "$1" = cri-containerd ]; then
        echo '+cpu +memory +pids' >"$root/$1/cgroup.subtree_control"
    fi
}

make_container() { # ID
    make_cgroup cri-containerd
    make_cgroup "cri-containerd/$1"
}

# Runs a script as a process of the container, and waits for it.
run_in() { # ID SCRIPT
    # shellcheck disable=SC2016 # expanded by the process itself
    sh -c 'for procs in $0; do echo $$ >$procs/cgroup.procs; done; exec "$@"' \
        "$(directories "cri-containerd/$1")" sh -c "$2"
}

limit_cpu() { # ID PERCENT
    if [ "$CGROUP" = v2 ]; then
        echo "${2}000 100000" >"$root/cri-containerd/$1/cpu.max"
    else
        echo "${2}000" >"$root/cpu,cpuacct/cri-containerd/$1/cpu.cfs_quota_us"
    fi
}

limit_memory() { # ID MIB
    if [ "$CGROUP" = v2 ]; then
        echo "${2}M" >"$root/cri-containerd/$1/memory.max"
    else
        echo "${2}M" >"$root/memory/cri-containerd/$1/memory.limit_in_bytes"
    fi
}

oom_kills() { # ID
    if [ "$CGROUP" = v2 ]; then
        grep '^oom_kill ' "$root/cri-containerd/$1/memory.events"
    else
        grep '^oom_kill ' "$root/memory/cri-containerd/$1/memory.oom_control"
    fi
}
