#!/bin/busybox sh
# shellcheck shell=dash disable=SC1091
# Pid 1 of the guests of vmtest/sandbox.sh: does what the Kata agent does when
# it is the guest's init (no tracefs, no bpffs), starts guest-probe as a boot
# script does, then the workload. Lines that begin with "sandbox:" tell the
# host how far it came.

export PATH=/bin:/usr/bin HOME=/root
/bin/busybox mkdir -p /proc /sys
/bin/busybox mount -t proc -o nosuid,noexec,nodev proc /proc
busybox --install -s /bin
mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mount -t devtmpfs -o nosuid dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
mount -t devpts -o nosuid,noexec devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=755 run /run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /tmp
ip link set lo up

for module in /modules/*; do
    insmod "$module" || echo "sandbox: cannot load $module"
done

. /cgroups.sh
. /settings
mount_cgroups "$CGROUP"

shared=/run/kata-containers/shared/containers
mkdir -p "$shared"
mount -t virtiofs kataShared "$shared" || echo "sandbox: no virtiofs"

if [ "$START" = boot ] && [ -x /usr/bin/guest-probe ]; then
    guest-probe start || echo "sandbox: guest-probe start ended with status $?"
fi

echo "sandbox: up"
{
    CGROUP=${CGROUP%-bare} SHARED=$shared sh /workload
    echo "sandbox: the workload ended with status $?"
} &

# The sandbox lives until its VMM is ended; this shell takes in the orphans.
sleep 2147483647 &
wait
