# shellcheck shell=bash
# What the measurements in the guest share. They run with the tree as the
# current directory and print lines for bench/report/samples.py:
#   @m ROW BASELINE SIZE UNIT VALUE   (tabs between)

# shellcheck source=bench/wait_for.sh
. bench/wait_for.sh

# Programs run from memory: a file of the host's would be asked for again and
# again through virtiofs.
bin=/dev/shm/bench
mkdir -p $bin
cp build/bin/bench/* build/bin/guest-probe $bin

measured() { # ROW BASELINE SIZE UNIT VALUE
    printf '@m\t%s\t%s\t%s\t%s\t%s\n' "$@"
}

start_probe() { # PROGRAM [OPTION...]; sets probe; its socket is $bin/socket
    "$1" run --pin-dir "" --listen "unix:$bin/socket" "${@:2}" 2>$bin/probe.log &
    probe=$!
    wait_for 'is ready' $bin/probe.log
}

# Ends a process that was started here, and lets the kernel clean up after it.
# False if another signal has ended it: what was measured of it is nothing then.
end() { # PID
    local status=0
    kill "$1"
    wait "$1" || status=$?
    if ((status > 128 && status != 128 + 15)); then
        echo "process $1 has ended with status $status" >&2
        return 1
    fi
    sleep 0.5
}

# Below /sys/fs/cgroup; of cgroup v2 there is one.
hierarchies=("cpu,cpuacct" memory pids blkio cpuset)
[[ ! -e /sys/fs/cgroup/cgroup.controllers ]] || hierarchies=(.)

container_path() { # NUMBER
    printf 'cri-containerd/%064x' "$1"
}

# The cgroups of containers 1 to COUNT, as an agent makes them.
make_containers() { # COUNT
    local hierarchy i
    for hierarchy in "${hierarchies[@]}"; do
        mkdir -p "/sys/fs/cgroup/$hierarchy/cri-containerd"
    done
    prepare_cgroup cri-containerd
    for ((i = 1; i <= $1; ++i)); do
        (cd /sys/fs/cgroup && mkdir "${hierarchies[@]/%//$(container_path "$i")}")
        prepare_cgroup "$(container_path "$i")"
    done
}

# A cgroup without CPUs takes no process in v1; one of v2 has the controllers
# that the one above it gives.
prepare_cgroup() { # PATH
    if [[ ${hierarchies[0]} == . ]]; then
        [[ $1 == */* ]] || echo "+cpu +memory +pids +io +cpuset" | tee /sys/fs/cgroup/{,"$1/"}cgroup.subtree_control >/dev/null
        return
    fi
    echo 0 >"/sys/fs/cgroup/cpuset/$1/cpuset.cpus"
    echo 0 >"/sys/fs/cgroup/cpuset/$1/cpuset.mems"
}
