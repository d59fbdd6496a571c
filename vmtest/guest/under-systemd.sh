# shellcheck shell=dash
# Makes systemd of $KATAMETER_SYSTEMD, a root with it, pid 1 in place of vm-init.sh, which sources
# this; the command is one of its services. That root can be written, and is forgotten. To the
# command the host's file system is still the root: it is at /machine of the other one, and both
# have the same /proc, /sys, /dev and /run.

root=/run/systemd-root
mkdir -p $root /run/overlay/systemd-root/upper /run/overlay/systemd-root/work /run/systemd/system/multi-user.target.wants
mount -t overlay -o "xino=off,lowerdir=$KATAMETER_SYSTEMD,upperdir=/run/overlay/systemd-root/upper,workdir=/run/overlay/systemd-root/work" \
    overlay $root
mkdir -p $root/machine
for dir in proc sys dev run; do mount --rbind /$dir $root/$dir; done

# After= the target, which would otherwise wait for the command to end. Systemd makes all mounts shared, with which
# nothing that the command starts could change its root, as virtiofsd does: so it has its own, and they are private.
cat >/run/systemd/system/vmtest.service <<UNIT
[Unit]
Description=The command of vmtest/vm.sh
After=multi-user.target

[Service]
Type=oneshot
PrivateMounts=yes
ExecStart=/bin/sh -c 'mount --make-rprivate / && exec chroot /machine $guest/command.sh $JOB'
UNIT
ln -s ../vmtest.service /run/systemd/system/multi-user.target.wants/
# Nobody logs in; without udev it would wait for the terminals.
ln -s /dev/null /run/systemd/system/getty.target

busybox pivot_root $root $root/machine
exec env -i PATH="$PATH" /lib/systemd/systemd --unit=multi-user.target --show-status=no
