#!/bin/bash
# usage: bench/guest/cost.sh CONTAINERS TASKS WINDOWS SECONDS CADVISOR
#
# In a guest: CPU time, memory and wake-ups of guest-probe and of those that poll,
# with CONTAINERS and TASKS shared out over them. In each of WINDOWS windows of
# SECONDS seconds guest-probe is asked once a second, and the pollers poll as
# often; what one of that costs, times 6, is a minute of every 10 s. CADVISOR is
# its program ("" = without); it has its own pace, and is scraped every 10 s.

set -euo pipefail
containers=$1 tasks=$2 windows=$3 seconds=$4 cadvisor=$5
. bench/guest/lib.sh
. bench/guest/baselines.sh

# How what one minute costs is called: it grows with containers, or with tasks.
size=$containers row=cpu
((tasks <= containers)) || size=$tasks row=tasks-cpu
[[ ${hierarchies[0]} != . ]] || row+=-v2

cpu_of() { "$bin/proc_usage" "$1" | cut -d' ' -f1; }
wakeups_of() { "$bin/proc_usage" "$1" | cut -d' ' -f2; }
resident_of() { "$bin/proc_usage" "$1" | cut -d' ' -f3; }

# What each had used before and after a window, and what that makes a minute.
window() {
    local baseline start
    local -A cpu=() wakeups=()
    for baseline in "${!pids[@]}"; do
        wakeups[$baseline]=$(wakeups_of "${pids[$baseline]}")
        cpu[$baseline]=$(cpu_of "${pids[$baseline]}")
    done
    start=$(now_ns)
    "$bin/client" "$bin/socket" "$seconds" 1000 >$bin/client.log &
    local asker=$!
    [[ ! $cadvisor ]] || scrape_cadvisor "$seconds"
    wait "$asker"
    local elapsed=$(($(now_ns) - start))
    for baseline in "${!pids[@]}"; do
        local used=$(($(cpu_of "${pids[$baseline]}") - cpu[$baseline]))
        local polls=$(($(wakeups_of "${pids[$baseline]}") - wakeups[$baseline]))
        case $baseline in
        guest-probe) measured $row "$baseline" "$size" ms "$(per_minute "$used" 6 "$seconds")" ;;
        cAdvisor) measured $row "$baseline" "$size" ms "$(per_minute "$used" 60000000000 "$elapsed")" ;;
        *) measured $row "$baseline" "$size" ms "$(per_minute "$used" 6 "$polls")" ;;
        esac
    done
}

per_minute() { # NS TIMES PARTS: in ms
    awk -v ns="$1" -v times="$2" -v parts="$3" 'BEGIN { printf "%.4f", ns * times / parts / 1e6 }'
}

idle() {
    local baseline
    local -A wakeups=()
    for baseline in "${!pids[@]}"; do wakeups[$baseline]=$(wakeups_of "${pids[$baseline]}"); done
    sleep 20
    for baseline in "${!pids[@]}"; do
        measured wakeups "$baseline" "$size" /min $((3 * ($(wakeups_of "${pids[$baseline]}") - wakeups[$baseline])))
    done
}

make_containers "$containers"
start_sleepers "$containers" "$tasks"
declare -A pids=()
# Not from memory: the pages of a program there would all count as resident, where those of one on a disk leave the cache.
options=()
((containers <= 500)) || options=(--max-containers "$containers")
start_probe build/bin/guest-probe "${options[@]}"
pids[guest-probe]=$probe
start_poller 'poller, same values' 1000 "${same_figures[@]}"
start_poller 'poller, all values' 1000 "${same_figures[@]}"
start_poller 'poller, 3 files' 1000 "${three_files[@]}"
[[ ! $cadvisor ]] || start_cadvisor

"$bin/client" "$bin/socket" 3 100 >$bin/client.log # names are learned once
for ((i = 0; i < windows; ++i)); do window; done
read -r snapshot text containers_read <$bin/client.log
((containers_read == containers))
# By tasks it is the time alone that grows; the rest does not depend on the version of cgroups.
[[ $row == cpu ]] || exit 0
measured wire guest-probe "$size" B "$snapshot"
measured wire 'text exposition' "$size" B "$text"

maps=$(bpftool -j map show | python3 -c 'import json, sys; print(sum(m["bytes_memlock"] for m in json.load(sys.stdin)))')
measured memory guest-probe "$size" KiB $(($(resident_of "$probe") + maps / 1024))
measured memory-maps guest-probe "$size" KiB $((maps / 1024))
[[ ! $cadvisor ]] || measured memory cAdvisor "$size" KiB "$(resident_of "${pids[cAdvisor]}")"

if [[ $row == cpu ]]; then
    # From here on there are no requests; the pollers poll every 10 s.
    for baseline in "${!pids[@]}"; do
        [[ $baseline != poller* ]] || end "${pids[$baseline]}" >/dev/null
    done
    unset 'pids[poller, 3 files]' 'pids[poller, all values]'
    start_poller 'poller, same values' 10000 "${same_figures[@]}"
    sleep 2
    idle
fi
