#!/bin/bash
# usage: bench/guest/possible_cpus.sh CONTAINERS COLLECTS
#
# In a guest: the CPU time that guest-probe takes to start, and for each of
# COLLECTS snapshots of CONTAINERS containers. The size of the rows is how many
# CPUs the guest could come to have.

set -euo pipefail
containers=$1 collects=$2
. bench/guest/lib.sh
possible=$(cat /sys/devices/system/cpu/possible)
possible=$((${possible##*-} + 1))

cpu_ns() { "$bin/proc_usage" "$1" | cut -d' ' -f1; }

# The kernel reads its own BTF when the first program is loaded.
start_probe "$bin/guest-probe"
end "$probe"
start_probe "$bin/guest-probe"
measured start-cpu guest-probe "$possible" ms "$(awk -v ns="$(cpu_ns "$probe")" 'BEGIN { printf "%.2f", ns / 1e6 }')"
end "$probe"

make_containers "$containers"
start_probe "$bin/guest-probe"
"$bin/client" "$bin/socket" 3 200 >/dev/null # names are learned once
before=$(cpu_ns "$probe")
"$bin/client" "$bin/socket" "$collects" 200 >/dev/null
measured collect-cpu guest-probe "$possible" us \
    "$(awk -v ns=$(($(cpu_ns "$probe") - before)) -v n="$collects" 'BEGIN { printf "%.1f", ns / n / 1000 }')"
end "$probe"
