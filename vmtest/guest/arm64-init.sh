#!/bin/busybox sh
# shellcheck shell=dash disable=SC1091
# Pid 1 of the guests of vmtest/arm64.sh, in whose initramfs everything is:
# what vm-init.sh does for those that have this machine's file system.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
/bin/busybox mkdir -p /proc /sys
/bin/busybox mount -t proc -o nosuid,noexec,nodev proc /proc
busybox --install -s /bin
mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mount -t devtmpfs -o mode=755,nosuid devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,noexec,nosuid devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
mount -t tmpfs -o mode=755,nosuid run /run
chmod 1777 /tmp
for filesystem in debugfs:/sys/kernel/debug tracefs:/sys/kernel/tracing securityfs:/sys/kernel/security bpf:/sys/fs/bpf; do
    mount -t "${filesystem%%:*}" none "${filesystem#*:}" 2>/dev/null
done
ip link set lo up

for module in /modules/*; do
    insmod "$module" || echo "arm64-init.sh: cannot load $module"
done
# Every module that there is has been loaded.
cat >/bin/modprobe.new <<'MODPROBE'
#!/bin/sh
for module; do
    case $module in -*) ;; *) [ -d "/sys/module/$module" ] || exit 1 ;; esac
done
MODPROBE
chmod +x /bin/modprobe.new
mv /bin/modprobe.new /bin/modprobe

for name in /sys/class/virtio-ports/*/name; do
    read -r port <"$name"
    name=${name%/name}
    ln -s "/dev/${name##*/}" "/dev/$port"
done

. /cgroups.sh
. /settings
mount_cgroups "$CGROUP"

setsid env -i PATH="$PATH" HOME=/root TMPDIR=/tmp TERM=dumb sh /command </dev/null >/dev/vm.stdout 2>/dev/vm.stderr
echo $? >/dev/vm.status
sync
poweroff -f
