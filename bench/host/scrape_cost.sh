#!/bin/bash
# usage: bench/host/scrape_cost.sh SANDBOXES ROUNDS
#
# As root, on this machine: CPU time of host-probe per scrape and sandbox, with
# SANDBOXES simulated guests of four containers, beside a reader of the same
# containers' cgroup files (all kept open, nothing parsed, nothing written out).
# The simulated guests have no processes on the host, so neither side reads any.
# Prints lines for bench/report/samples.py.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
cd "$here/../.."
sandboxes=$1 rounds=$2 bin=build/bin/bench
# A few cgroups stand for all: reading one again costs as much as another.
cgroups=20
((4 * sandboxes >= cgroups)) || cgroups=$((4 * sandboxes))

directory=$(mktemp -d)
pids=()
finish() {
    local status=$? pid made
    for pid in "${pids[@]}"; do
        kill "$pid" || { say "process $pid had ended before" && status=1; }
    done
    wait
    for made in /sys/fs/cgroup/*/katameter-bench-* /sys/fs/cgroup/katameter-bench-*; do
        [[ ! -d $made ]] || rmdir "$made" || { say "left behind: $made" && status=1; }
    done
    rm -rf "$directory"
    exit "$status"
}
trap finish EXIT

if [[ -d /sys/fs/cgroup/cpuacct ]]; then
    hierarchies=(cpu cpuacct memory pids blkio)
    files=({cpuacct/cpuacct.{usage,stat},cpu/cpu.{stat,cfs_quota_us,cfs_period_us,shares}}
        memory/memory.{usage_in_bytes,max_usage_in_bytes,limit_in_bytes,failcnt,stat,oom_control}
        pids/pids.{current,max} blkio/blkio.throttle.{io_service_bytes,io_serviced})
else
    hierarchies=(.)
    files=(./cpu.{stat,max,weight} ./memory.{current,peak,max,stat,events} ./pids.{current,max} ./io.stat)
fi
for ((i = 1; i <= cgroups; ++i)); do
    for hierarchy in "${hierarchies[@]}"; do mkdir -p "/sys/fs/cgroup/$hierarchy/katameter-bench-$i"; done
done
for ((i = 1; i <= cgroups; ++i)); do
    for file in "${files[@]}"; do
        echo "/sys/fs/cgroup/${file%%/*}/katameter-bench-$i/${file##*/}"
    done
done >"$directory/files.all"
# Not every kernel has all of them.
while read -r file; do [[ ! -e $file ]] || echo "$file"; done <"$directory/files.all" >"$directory/files"

build/bin/simulator --run-root "$directory/run" --guests "$sandboxes" --containers 4 </dev/null >"$directory/simulator" &
pids+=($!)
build/bin/host-probe --run-root "$directory/run" --state-file "" --web.listen-address 127.0.0.1:19717 \
    2>"$directory/log" &
probe=$!
pids+=("$probe")
$bin/poller 1000000 $((4 * sandboxes / cgroups)) <"$directory/files" >"$directory/poller" &
poller=$!
pids+=("$poller")

page=http://127.0.0.1:19717/metrics
up=0
for ((i = 0; i < 40 && up < sandboxes; ++i)); do
    sleep 0.5
    up=$({ curl -s "$page" || true; } | grep -c '^katameter_guest_probe_up{.* 1$' || true)
done
((up == sandboxes)) || die "only $up of $sandboxes guests answer: $(tail -n 3 "$directory/log")"

cpu_of() { "$bin/used" "$1" | cut -d' ' -f1; }
for ((i = 0; i < rounds; ++i)); do
    before=$(cpu_of "$probe")
    curl -s "$page" >"$directory/page"
    after=$(cpu_of "$probe")
    printf '@m\tscrape\thost-probe\t%s\tus\t%s\n' "$sandboxes" $(((after - before) / sandboxes / 1000))
    before=$(cpu_of "$poller")
    kill -USR1 "$poller"
    sleep 0.5
    after=$(cpu_of "$poller")
    printf '@m\tscrape\tcgroup files\t%s\tus\t%s\n' "$sandboxes" $(((after - before) / sandboxes / 1000))
done
