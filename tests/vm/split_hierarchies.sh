#!/bin/sh
# usage: split_hierarchies.sh COMMAND...
#
# Runs COMMAND in a guest with cgroup v1 whose cpu and cpuacct controllers are
# no longer mounted together, each in a hierarchy of its own.
set -eu

umount /sys/fs/cgroup/cpu,cpuacct
for controller in cpu cpuacct; do
    mkdir -p "/sys/fs/cgroup/$controller"
    # The hierarchy of both is taken down after the umount has returned.
    attempt=0
    until mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"; do
        attempt=$((attempt + 1))
        [ "$attempt" -lt 20 ] || exit 1
        sleep 0.2
    done
done
exec "$@"
