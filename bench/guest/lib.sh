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

hierarchies=("cpu,cpuacct" memory pids blkio cpuset)

container_path() { # NUMBER
    printf 'cri-containerd/%064x' "$1"
}

# The cgroups of containers 1 to COUNT, as an agent makes them.
make_containers() { # COUNT
    local hierarchy i
    for hierarchy in "${hierarchies[@]}"; do
        mkdir -p "/sys/fs/cgroup/$hierarchy/cri-containerd"
    done
    fill_cpuset cri-containerd
    for ((i = 1; i <= $1; ++i)); do
        (cd /sys/fs/cgroup && mkdir "${hierarchies[@]/%//$(container_path "$i")}")
        fill_cpuset "$(container_path "$i")"
    done
}

fill_cpuset() { # PATH
    echo 0 >"/sys/fs/cgroup/cpuset/$1/cpuset.cpus"
    echo 0 >"/sys/fs/cgroup/cpuset/$1/cpuset.mems"
}
