#!/bin/busybox sh
# shellcheck shell=dash
# The initramfs of the guests of vmtest/systemd.sh: brings their disk up and
# hands over to systemd on it.

export PATH=/bin
/bin/busybox mkdir -p /proc /sys /disk
/bin/busybox mount -t proc proc /proc
busybox --install -s /bin
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do
    insmod "$module" || echo "vmtest: cannot load $module"
done
mount -t ext4 -o ro /dev/vda /disk || echo "vmtest: no disk"
mount --move /proc /disk/proc
mount --move /sys /disk/sys
mount --move /dev /disk/dev
exec switch_root /disk /lib/systemd/systemd
