#!/bin/bash
# usage: bench/guest/oom.sh KILLS
#
# In a guest: how long after an OOM kill its event has arrived, host-probe has
# counted it, and the kernel's log has its line. host-probe runs in the guest,
# too, for one clock; a relay stands for the VMM between it and guest-probe.

set -euo pipefail
. bench/guest/lib.sh
make_containers 1
cgroup=/sys/fs/cgroup/memory/$(container_path 1)
echo $((16 << 20)) >"$cgroup/memory.limit_in_bytes"
start_probe "$bin/guest-probe"

sandbox=$bin/run/vc/vm/$(printf '%064x' 1)
mkdir -p "$sandbox"
"$bin/hybrid_vsock" "$sandbox/clh.sock" "$bin/socket" >"$bin/relay.log" &
relay=$!
wait_for ready "$bin/relay.log"
mkfifo "$bin/log"
build/bin/host-probe --run-root "$bin/run" --state-file "" --web.listen-address 127.0.0.1:9717 2>"$bin/log" &
host=$!
"$bin/oom_race" "$bin/socket" "$cgroup" "$1" "$bin/log" | while read -r event counted line; do
    measured oom guest-probe 1 us "$event"
    measured oom host-probe 1 us "$counted"
    measured oom 'kernel log' 1 us "$line"
done
end "$host"
end "$relay"
