#!/bin/bash
# usage: bench/guest/oom.sh KILLS
#
# In a guest: how long after an OOM kill its event and its line in the kernel's
# log have arrived.

set -euo pipefail
. bench/guest/lib.sh
make_containers 1
cgroup=/sys/fs/cgroup/memory/$(container_path 1)
echo $((16 << 20)) >"$cgroup/memory.limit_in_bytes"
start_probe "$bin/guest-probe"
"$bin/oom_race" "$bin/socket" "$cgroup" "$1" | while read -r event line; do
    measured oom guest-probe 1 us "$event"
    measured oom 'kernel log' 1 us "$line"
done
