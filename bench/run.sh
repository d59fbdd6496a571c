#!/bin/bash
# usage: bench/run.sh [--quick] [--only SECTION]... [--lock FILE]
#
# Measures what katameter costs beside its baselines, in the same guest or on the
# same machine, in turns; prints one table and writes bench/results/: JSON, the
# table, and plots; docs/cost.md gets the table, too. Without KVM the guest's
# clock counts instructions, so that what is measured in it does not depend on
# what else runs here.
#
#   --quick         fewer sizes and repetitions
#   --only SECTION  measure this one anew; the others' last samples are kept
#   --lock FILE     hold a lock on FILE while something is measured
#
# Sections: cost (CPU, memory, wake-ups, bytes by containers), tasks (CPU by
# tasks), v2 (CPU by both, cgroup v2), hot-path, start, possible-cpus, oom, scrape
# (the host; as root).

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
cd "$here/.."

quick='' lock='' only=()
while (($#)); do
    case $1 in
    --quick) quick=yes ;;
    --only) need_value "$@" && only+=("$2") && shift ;;
    --lock) need_value "$@" && lock=$2 && shift ;;
    -h | --help) help_from_header && exit 0 ;;
    *) die "unknown argument '$1' (see --help)" ;;
    esac
    shift
done
sections=(cost tasks v2 hot-path start possible-cpus oom scrape)
for section in "${only[@]}"; do
    [[ " ${sections[*]} " == *" $section "* ]] || die "no section '$section'; there are: ${sections[*]}"
done
((${#only[@]})) || only=("${sections[@]}")

scripts/packages.sh build test vm bench
scripts/build.sh dev bench
cadvisor=$(vmtest/tools/fetch.sh cadvisor)/bin/cadvisor
for kernel in 5.10.262 6.18; do vmtest/kernels/fetch.sh $kernel >/dev/null; done
acceleration=$(vmtest/accel.sh)
clock=()
[[ $acceleration == kvm ]] || clock=(--icount)
samples=build/bench-samples
mkdir -p $samples

measure() { # COMMAND...
    if [[ $lock ]]; then
        flock "$lock" "$@"
    else
        "$@"
    fi
}

# A guest that QEMU loses under emulation (125: did not come up, 255: died) is
# booted once more.
guest_kernel=(--kernel 5.10.262 --cgroup v1)
guest_options=()
in_guest() { # COMMAND...
    local vm=(vmtest/vm.sh "${guest_kernel[@]}" --memory 2048 --timeout 1800 "${clock[@]}"
        "${guest_options[@]}" --) status=0
    say "in a guest: $*"
    measure "${vm[@]}" "$@" || status=$?
    if [[ $status == 125 || $status == 255 ]] && [[ $acceleration == tcg ]]; then
        say "the guest's kernel was lost under emulation: once more"
        status=0
        measure "${vm[@]}" "$@" || status=$?
    fi
    return "$status"
}

measure_cost() {
    local size sizes=(1 10 100) windows=3 seconds=20
    [[ ! $quick ]] || sizes=(10 100) windows=2 seconds=10
    for size in "${sizes[@]}"; do
        in_guest bench/guest/cost.sh "$size" "$size" $windows $seconds "$cadvisor"
    done
    # Under emulation cAdvisor comes to no end with so many.
    [[ $quick ]] || in_guest bench/guest/cost.sh 1000 1000 2 10 ''
}

measure_tasks() {
    local size sizes=(10 100 1000 10000)
    [[ ! $quick ]] || sizes=(1000)
    for size in "${sizes[@]}"; do
        in_guest bench/guest/cost.sh 10 "$size" 2 10 ''
    done
}

# The kernel and the cgroups of Kata 4.
measure_v2() {
    local size sizes=(1 10 100 1000) many=10000
    [[ ! $quick ]] || sizes=(10) many=1000
    local guest_kernel=(--kernel 6.18 --cgroup v2)
    for size in "${sizes[@]}"; do
        in_guest bench/guest/cost.sh "$size" "$size" 2 10 ''
    done
    in_guest bench/guest/cost.sh 10 $many 2 10 ''
}

# A repetition is a boot: what lies where in memory is another in each.
measure_hot-path() {
    local rotation rotations=(0 2 4)
    [[ ! $quick ]] || rotations=(0)
    for rotation in "${rotations[@]}"; do
        in_guest bench/guest/hot_path.sh "$rotation"
    done
}

measure_start() {
    local times=3
    [[ ! $quick ]] || times=1
    in_guest bench/guest/start.sh $times
}

# Guests with as many CPUs as there could be, and with more that could be: each
# line of the latter gets that of the former to compare with.
measure_possible-cpus() {
    local possible online=2 containers=100 collects=50 base row value
    [[ $acceleration == kvm ]] || online=1 # the clock that counts instructions has one
    base=$(in_guest bench/guest/possible_cpus.sh $containers $collects)
    for possible in 64 240; do
        guest_options=(--possible-cpus "$possible")
        in_guest bench/guest/possible_cpus.sh $containers $collects
        guest_options=()
        awk -F '\t' -v OFS='\t' -v size=$possible -v online=$online \
            '$1 == "@m" && $4 == online { $3 = "no others"; $4 = size; print }' <<<"$base"
    done
}

measure_oom() { in_guest bench/guest/oom.sh 10; }

measure_scrape() {
    local size sizes=(1 10 100 1000) rounds=11 ours registry
    [[ ! $quick ]] || sizes=(10 100) rounds=5
    for size in "${sizes[@]}"; do
        measure build/bin/bench/scrape_race "$size" $rounds | while read -r ours registry; do
            [[ $ours != series ]] || continue
            printf '@m\t%s\t%s\t%s\tns\t%s\n' series host-probe "$size" "$ours" series Registry "$size" "$registry"
        done
        measure bench/host/scrape_cost.sh "$size" $((rounds / 2 + 1))
    done
}

for section in "${only[@]}"; do
    "measure_$section" >"$samples/$section.new"
    mv "$samples/$section.new" "$samples/$section"
done
python3 -B bench/report/report.py "$acceleration" bench/results docs/cost.md $samples/*
