#!/bin/bash
# usage: bench/host/scrape_cost.sh SANDBOXES ROUNDS
#
# As root, on this machine: CPU time of host-probe per scrape and sandbox, with
# SANDBOXES simulated guests of four containers and their processes, beside a
# reader of the same values: the containers' cgroup files and the processes'
# files of /proc, all kept open, nothing parsed, nothing written out. "no text"
# is the thread of host-probe that collects: all but the exposition; "gzip" is a
# scrape whose text is compressed, as Prometheus asks for it.
# Prints lines for bench/report/samples.py.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../wait_for.sh"
cd "$here/../.."
sandboxes=$1 rounds=$2 bin=build/bin/bench
# The files of a few sandboxes stand for all: reading one again costs no more
# than another.
read_ones=5
((sandboxes >= read_ones)) || read_ones=$sandboxes
cgroups=$((4 * read_ones))

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

build/bin/simulator --run-root "$directory/run" --guests "$sandboxes" --containers 4 --idle </dev/null >"$directory/simulator" &
pids+=($!)
wait_for sandboxes "$directory/simulator"

for name in cloud-hypervisor virtiofsd containerd-shim-kata-v2; do
    cp "$bin/sandbox_processes" "$directory/$name"
done
ls "$directory/run/vc/vm" >"$directory/ids"
"$bin/sandbox_processes" "$directory" <"$directory/ids" >"$directory/processes" &
pids+=($!)
wait_for ready "$directory/processes"

# Each process, and virtiofsd's child; each of their threads.
for pid in $(head -n "$read_ones" "$directory/processes"); do
    for process in "$pid" $(cat /proc/"$pid"/task/*/children); do
        printf '%s\n' /proc/"$process"/{stat,status,io} /proc/"$process"/task/*/{stat,schedstat}
    done
done >>"$directory/files"

build/bin/host-probe --run-root "$directory/run" --state-file "" --web.listen-address 127.0.0.1:19717 \
    2>"$directory/log" &
probe=$!
pids+=("$probe")
$bin/poller 1000000 $((sandboxes / read_ones)) <"$directory/files" >"$directory/poller" &
poller=$!
pids+=("$poller")

page=http://127.0.0.1:19717/metrics
up=0
for ((i = 0; i < 40 && up < sandboxes; ++i)); do
    sleep 0.5
    up=$({ curl -s "$page" || true; } | grep -c '^katameter_guest_probe_up{.* 1$' || true)
done
((up == sandboxes)) || die "only $up of $sandboxes guests answer: $(tail -n 3 "$directory/log")"
known=$(curl -s "$page" | grep -c '^katameter_process_cpu_seconds_total{.*role="shim"' || true)
((known == sandboxes)) || die "host-probe knows the processes of $known sandboxes, not of $sandboxes"

cpu_of() { "$bin/proc_usage" "$1" | cut -d' ' -f1; }
collecting() { cut -d' ' -f1 "/proc/$probe/task/$probe/schedstat"; }
measured() { # WHO NS
    printf '@m\tscrape\t%s\t%s\tus\t%s\n' "$1" "$sandboxes" $(($2 / sandboxes / 1000))
}
for ((i = 0; i < rounds; ++i)); do
    before=$(cpu_of "$probe") collected=$(collecting)
    curl -s "$page" >"$directory/page"
    measured 'host-probe, no text' $(($(collecting) - collected))
    measured host-probe $(($(cpu_of "$probe") - before))
    before=$(cpu_of "$probe")
    curl -s --compressed "$page" >"$directory/page"
    measured 'host-probe, gzip' $(($(cpu_of "$probe") - before))
    before=$(cpu_of "$poller")
    kill -USR1 "$poller"
    sleep 0.5
    measured files $(($(cpu_of "$poller") - before))
done
