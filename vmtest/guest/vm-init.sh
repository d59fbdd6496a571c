#!/bin/busybox sh
# shellcheck shell=dash
# Pid 1 of the guests of vmtest/vm.sh, in place of virtme-ng's own init, which
# starts some hundred programs: without KVM that is ten seconds. One static
# program does it all here, and nothing is expected of the host but bash.
#
# virtme-ng has mounted the host's root at / and names the ports for the
# command's input and output; vm.sh hands over JOB, KATAMETER_CGROUP and the
# marker through the kernel command line, whose unknown settings become the
# environment of this script.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
guest=${0%/*}
alias mount='busybox mount' mkdir='busybox mkdir' ln='busybox ln'

# By its full name: otherwise busybox runs /proc/self/exe, and as long as /proc
# is the host's directory that is virtiofsd.
/bin/busybox mount -t proc -o nosuid,noexec,nodev proc /proc
mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mount -t devtmpfs -o mode=755,nosuid devtmpfs /dev
mount -t tmpfs -o mode=755,nosuid run /run

# Writable, and forgotten afterwards. /var brings /var/tmp, /lib the modules.
for dir in /tmp /etc /var /lib; do
    mkdir -p /run/overlay$dir/upper /run/overlay$dir/work
    mount -t overlay -o "xino=off,lowerdir=$dir,upperdir=/run/overlay$dir/upper,workdir=/run/overlay$dir/work" \
        overlay "$dir"
done
chmod 1777 /run/overlay/tmp/upper

# Modules are next to the kernel in the cache; modprobe looks for them here.
mkdir -p /lib/modules
mount -t tmpfs modules /lib/modules
# virtme_link_mods is virtme-ng's, JOB and KATAMETER_CGROUP are vm.sh's.
ln -s "$virtme_link_mods" "/lib/modules/$(uname -r)"

mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,noexec,nosuid devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
for filesystem in debugfs:/sys/kernel/debug tracefs:/sys/kernel/tracing \
    securityfs:/sys/kernel/security bpf:/sys/fs/bpf; do
    mount -t "${filesystem%%:*}" none "${filesystem#*:}" 2>/dev/null
done
busybox ip link set lo up

# The ports by name, as udev would link them.
mkdir -p /dev/virtio-ports
for name in /sys/class/virtio-ports/*/name; do
    read -r port <"$name"
    name=${name%/name}
    ln -s "../${name##*/}" "/dev/virtio-ports/$port"
done
ports=/dev/virtio-ports/virtme
# A port has one writer: who opens /dev/stdout anew gets a port of its own.
ln -s /proc/self/fd /dev/fd
ln -sf $ports.dev_stdout /dev/stdout
ln -sf $ports.dev_stderr /dev/stderr

. "$guest/cgroups.sh"
mount_cgroups "$KATAMETER_CGROUP"

[ -z "$KATAMETER_SYSTEMD" ] || . "$guest/under-systemd.sh"
exec "$guest/command.sh" "$JOB"
