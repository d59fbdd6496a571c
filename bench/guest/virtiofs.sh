#!/bin/bash
# usage: bench/guest/virtiofs.sh MODE [REQUESTS]
#
# In a guest of vmtest/vm.sh --share: what each of guest-probe's programs at
# requests to virtiofs takes for a request, as the kernel's bpf_stats have it;
# with --icount in instructions. MODE is that of guest-probe --virtiofs. The
# workload is direct reads of 4 KiB (default 1,000), in a container.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
case ${1:-} in
'' | -h | --help)
    help_from_header
    exit 0
    ;;
esac
mode=$1 requests=${2:-1000}
probe=$here/../../build/bin/guest-probe
cgroup=/sys/fs/cgroup/cri-containerd/$(printf '%064d' 1)

mkdir -p /run/share "$cgroup"
mount -t virtiofs share /run/share
dd if=/dev/zero of=/run/share/file bs=4k count=256 status=none
"$probe" run --virtiofs="$mode" --listen unix:/run/virtiofs-bench.sock 2>/run/virtiofs-bench.log &
for ((i = 0; i < 600; i++)); do
    ! grep -q 'is ready' /run/virtiofs-bench.log || break
    sleep 0.1
done
sysctl -q kernel.bpf_stats_enabled=1

# PROGRAM: its runs, and the time of all; nothing of one that is not loaded.
stats_of() {
    { bpftool prog show name "$1" 2>/dev/null || :; } | sed -nE 's/.*run_time_ns ([0-9]+) run_cnt ([0-9]+).*/\2 \1/p'
}
before=$(stats_of note_request) before_end=$(stats_of note_answer)
bash -c 'echo $$ >"$1/cgroup.procs"
    for ((i = 0; i < $2 / 250; i++)); do dd if=/run/share/file of=/dev/null bs=4k count=250 iflag=direct status=none; done
    times' - "$cgroup" "$requests"
after=$(stats_of note_request) after_end=$(stats_of note_answer)
print() { # PROGRAM BEFORE AFTER
    awk -v name="$1" -v before="${2:-0 0}" -v after="${3:-0 0}" 'BEGIN {
        split(before, b, " "); split(after, a, " ")
        runs = a[1] - b[1]
        if (runs) printf "%s: %d runs, %.0f ns each\n", name, runs, (a[2] - b[2]) / runs
    }'
}
print note_request "$before" "$after"
print note_answer "$before_end" "$after_end"
"$probe" dump --socket /run/virtiofs-bench.sock --format json | tr ',' '\n' | grep virtiofs_ || :
