#!/bin/bash
# usage: check_metrics.sh EXPOSITION
#
# Judges the demo's exposition: exactly its three containers, the OOM kills of
# the one that has them, the host's side of the sandbox, and promtool's rules.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
file=$1

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

id() { printf "$1%.0s" {1..16}; }
sandbox=$(id b0d0)
containers=$(printf '%s\n' "$(id 5afe)" "$(id cede)" "$(id dead)" | sort)

# The value of the one series of a metric that has all these labels.
value() { # METRIC LABEL...
    local lines label
    lines=$(grep "^$1{" "$file") || fail "no series of $1"
    for label in "${@:2}"; do lines=$(grep -F "$label" <<<"$lines") || fail "no $1 with $label"; done
    [[ $(wc -l <<<"$lines") == 1 ]] || fail "several series of $1 with ${*:2}"
    printf '%s\n' "${lines##* }"
}

above_zero() { # METRIC LABEL...
    local found
    found=$(value "$@")
    awk -v value="$found" 'BEGIN { exit !(value > 0) }' || fail "$* is $found"
}

for metric in container_cpu_usage_seconds_total container_memory_working_set_bytes \
    container_memory_max_usage_bytes container_oom_events_total; do
    found=$(grep "^$metric{" "$file" | sed 's/.*,name="\([^"]*\)".*/\1/' | sort)
    [[ $found == "$containers" ]] || fail "$metric is there for: $found"
    while read -r name; do
        value "$metric" "id=\"/kata/$sandbox/$name\"" 'namespace=""' 'pod=""' 'container=""' 'image=""' >/dev/null
    done <<<"$containers"
done

above_zero container_oom_events_total "$(id dead)"
[[ $(value container_oom_events_total "$(id 5afe)") == 0 ]] || fail "a container without kills has some"
[[ $(value container_memory_max_usage_bytes "$(id dead)") == $((24 << 20)) ]] || fail "the peak is not the limit"

above_zero katameter_oom_events_received_total "$sandbox"
# The container that is killed is killed at its own limit, and for nothing else.
above_zero katameter_guest_oom_kills_total 'class="container_limit"'
for class in pod_limit guest; do
    [[ $(value katameter_guest_oom_kills_total "class=\"$class\"") == 0 ]] || fail "there are OOM kills of class $class"
done
for class in unknown other_limit; do
    ! grep -F "class=\"$class\"" "$file" >/dev/null || fail "there are OOM kills of class $class"
done
[[ $(value katameter_container_reclaim_stalls_total "$(id cede)") == 0 ]] || fail "a container with plenty of memory stalled"
above_zero katameter_container_reclaim_stalls_total "$(id dead)"
for component in free page_cache anonymous slab kernel_stack page_tables; do
    above_zero katameter_guest_memory_bytes "component=\"$component\""
done
awk -v total="$(value katameter_guest_memory_total_bytes "$sandbox")" \
    'BEGIN { exit !(total > 128 * 1024 * 1024 && total <= 256 * 1024 * 1024) }' || fail "the guest has not its 256 MiB"
for role in vcpu vmm virtiofsd; do above_zero katameter_process_cpu_seconds_total "role=\"$role\""; done
for component in guest_ram vmm virtiofsd page_tables; do
    above_zero katameter_sandbox_memory_bytes "component=\"$component\""
done
# Guest RAM counted once: what two processes map cannot be more than the guest has (256 MiB).
awk -v ram="$(value katameter_sandbox_memory_bytes 'component="guest_ram"')" \
    'BEGIN { exit !(ram <= 256 * 1024 * 1024) }' || fail "more guest RAM than the guest has"
[[ $(value katameter_guest_probe_up "$sandbox") == 1 ]] || fail "guest-probe is not up"

promtool=$(vmtest/tools/fetch.sh promtool)/bin/promtool
# promtool ends with 3 where it only objects to a name; cAdvisor's own names are on the list.
complaints=$("$promtool" check metrics <"$file" 2>&1) || [[ $? == 3 ]] || fail "promtool: $complaints"
complaints=$(grep -vxFf <(grep -v '^#' "$here/promtool-exceptions.txt") <<<"$complaints" | grep . || true)
[[ -z $complaints ]] || fail "promtool objects: $complaints"
echo "the exposition is as it should be"
