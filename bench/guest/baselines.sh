# shellcheck shell=bash
# Those that poll: started for bench/guest/cost.sh, which has pids and containers.

# The sources of a container's values, each as the cheapest reader would.
same_figures=("cpu,cpuacct"/{cpuacct.usage,cpuacct.stat,cpu.stat,cpu.cfs_quota_us,cpu.cfs_period_us,cpu.shares}
    memory/memory.{usage_in_bytes,max_usage_in_bytes,limit_in_bytes,failcnt,stat,oom_control}
    memory/memory.{memsw.usage_in_bytes,memsw.limit_in_bytes,kmem.usage_in_bytes,soft_limit_in_bytes}
    pids/{pids.current,pids.max,cgroup.procs} blkio/blkio.throttle.{io_service_bytes,io_serviced})
three_files=("cpu,cpuacct/cpuacct.usage" memory/memory.{usage_in_bytes,stat})
task_list=pids/%s/tasks
if [[ ${hierarchies[0]} == . ]]; then
    same_figures=(./cpu.{stat,max,max.burst,weight,idle,pressure} ./io.{stat,pressure} ./pids.{current,max}
        ./memory.{current,peak,max,low,high,stat,events,pressure} ./memory.swap.{current,peak,max}
        ./cpuset.cpus.effective ./cgroup.procs)
    three_files=(./cpu.stat ./memory.{current,stat})
    task_list=%s/cgroup.threads
fi

# What guest-probe gives beside those: the guest's memory and interfaces, the
# CPU time of each kernel thread, and what each thread of a container does.
other_sources() {
    local process i
    printf '/proc/%s\n' meminfo net/dev
    for process in /proc/[0-9]*; do
        # A kernel thread has no command line; one that has ended has no file.
        [[ ! -e $process/schedstat ]] || read -r -d '' _ <"$process/cmdline" || echo "$process/schedstat"
    done
    for ((i = 1; i <= containers; ++i)); do
        # shellcheck disable=SC2059 # the format is where the list is
        sed 's|.*|/proc/&/stat|' "/sys/fs/cgroup/$(printf "$task_list" "$(container_path "$i")")"
    done
}

now_ns() { date +%s%N; }

start_poller() { # BASELINE PERIOD_MS FILE...; "poller, all values" reads other_sources, too
    local baseline=$1 period=$2 i file path
    shift 2
    for ((i = 1; i <= containers; ++i)); do
        path=$(container_path "$i")
        for file in "$@"; do
            file=/sys/fs/cgroup/${file%%/*}/$path/${file##*/}
            # Not every kernel has all (memory.memsw).
            [[ ! -e $file ]] || echo "$file"
        done
    done >"$bin/files"
    [[ $baseline != *'all values' ]] || other_sources >>"$bin/files"
    "$bin/poller" "$period" <"$bin/files" >"$bin/poller.log" &
    pids["$baseline"]=$!
    wait_for ready "$bin/poller.log"
}

start_sleepers() { # CONTAINERS TASKS
    local i path files=()
    for ((i = 1; i <= $1; ++i)); do
        path=$(container_path "$i")
        files+=("$(printf ":/sys/fs/cgroup/%s/$path/cgroup.procs" "${hierarchies[@]}")")
    done
    "$bin/spawn_sleepers" "$2" "${files[@]#:}" >"$bin/spawn_sleepers.log" &
    wait_for ready "$bin/spawn_sleepers.log"
}

cadvisor_page=http://127.0.0.1:18080/metrics

start_cadvisor() {
    "$cadvisor" -port 18080 -listen_ip 127.0.0.1 -logtostderr -housekeeping_interval 10s \
        -max_housekeeping_interval 10s -allow_dynamic_housekeeping=false 2>"$bin/cadvisor.log" &
    pids[cAdvisor]=$!
    local i
    for ((i = 0; i < 60; ++i)); do
        sleep 1
        curl -s "$cadvisor_page" >"$bin/page" || continue
        if (($(grep -c '^container_memory_usage_bytes{.*/cri-containerd/[0-9a-f]\{64\}"' "$bin/page") == containers)); then
            # Its counter of OOM kills, of which the issue is whether there is one.
            measured oom-series cAdvisor "$containers" series "$(grep -c '^container_oom' "$bin/page" || true)"
            return 0
        fi
    done
    echo "cAdvisor does not show $containers containers after a minute: left out" >&2
    end "${pids[cAdvisor]}"
    unset 'pids[cAdvisor]'
    cadvisor=''
}

scrape_cadvisor() { # SECONDS
    local i
    for ((i = 0; i < $1; i += 10)); do
        curl -s "$cadvisor_page" >/dev/null
        sleep 10
    done
}
