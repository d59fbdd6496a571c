#!/bin/bash
# usage: vmtest/systemd.sh [OPTION...] --prepare COMMAND -- SCRIPT
#
# Boots a small Debian 12 with systemd as pid 1 as Kata boots an image: root
# read-only, kata-containers.target, which multi-user.target never follows, a
# stand-in for the agent. Runs SCRIPT with bash in it when the target is
# reached, hands out what it prints and its exit status, and powers off. A
# SCRIPT that wants another machine than Kata's may remount the root writable.
#
#   --prepare COMMAND  called with the directory of the root before an image is
#                      made of it, to put things there
#   --kernel VERSION   one of vmtest/kernels/table (default 5.10.262)
#   --cgroup v1|v2     the hierarchies that systemd makes (default v2)
#   --memory MIB       (default 512)
#   --timeout S        for boot and SCRIPT together (default 180)
#   --console FILE     what the guest's console says (default: shown if the
#                      guest does not come to SCRIPT)
#
# The Debian is made by debootstrap, once, in the cache. Needs root, for that.
# Exit status: that of SCRIPT; 124 after a timeout, 125 if the guest did not
# come to SCRIPT, 255 if it died while SCRIPT ran; these three say so on stderr.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
. "$here/lib/initramfs.sh"
. "$here/lib/debian.sh"

kernel=5.10.262 cgroup=v2 memory=512 limit=180 prepare='' console=''
while (($#)); do
    case $1 in
    --prepare) need_value "$@" && prepare=$2 && shift ;;
    --kernel) need_value "$@" && kernel=$2 && shift ;;
    --cgroup) need_value "$@" && cgroup=$2 && shift ;;
    --memory) need_value "$@" && memory=$2 && shift ;;
    --timeout) need_value "$@" && limit=$2 && shift ;;
    --console) need_value "$@" && console=$2 && shift ;;
    -h | --help) help_from_header && exit 0 ;;
    --) shift && break ;;
    *) die "unknown argument '$1' (see --help; SCRIPT comes after --)" ;;
    esac
    shift
done
(($# == 1)) || die "one SCRIPT after -- (see --help)"
script=$1
[[ -r $script ]] || die "cannot read $script"
[[ $cgroup == v[12] ]] || die "--cgroup is v1 or v2, not '$cgroup'"
for number in memory limit; do
    [[ ${!number} =~ ^[1-9][0-9]*$ ]] || die "'${!number}' is not a number for $number"
done
((EUID == 0)) || die "run as root: debootstrap needs it"
for program in qemu-system-x86_64 busybox cpio modprobe mke2fs; do
    command -v "$program" >/dev/null || die "$program is missing: run scripts/packages.sh vm"
done

base=$("$here/debian.sh")
kernel_dir=$("$here/kernels/fetch.sh" "$kernel")
accelerator=$("$here/accel.sh")

work=$(mktemp -d /tmp/katameter-systemd.XXXXXX)
qemu_pid=''
finish() {
    trap '' INT TERM HUP
    local left=0
    if [[ $qemu_pid ]] && kill -TERM "$qemu_pid" 2>/dev/null; then
        wait "$qemu_pid" || left=$?
        ((left == 0 || left == 128 + 15)) || say "QEMU ended with status $left"
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cp -a "$base/root" "$work/root"
cp -r "$here"/guest/systemd/. "$work/root/"
install -m 0755 "$script" "$work/root/usr/lib/vmtest/script"
[[ ! $prepare ]] || "$prepare" "$work/root" || die "$prepare failed"
debian_image "$work/root" "$work/image"
rm -rf "$work/root"

initramfs_new "$work/initramfs"
cp "$here/guest/switch-root.sh" "$work/initramfs/init"
initramfs_modules "$work/initramfs" "$kernel_dir" virtio_pci virtio_blk ext4 vmw_vsock_virtio_transport
initramfs_pack "$work/initramfs" "$work/initrd"

accel=(-accel 'tcg,thread=multi' -cpu 'max,erms=off')
[[ $accelerator != kvm ]] || accel=(-accel kvm -cpu host)
systemd=(systemd.show_status=no systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service
    systemd.mask=systemd-networkd.socket)
[[ $cgroup == v2 ]] || systemd+=(systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1)

: >"$work/output"
: >"$work/console"
SECONDS=0
setpriv --pdeathsig TERM timeout --kill-after=5 "$limit" qemu-system-x86_64 \
    -machine q35 "${accel[@]}" -smp 2 -m "${memory}M" -nodefaults -display none -no-reboot \
    -chardev "file,id=console,path=$work/console" -serial chardev:console \
    -chardev "file,id=output,path=$work/output" -serial chardev:output \
    -drive "file=$work/image,format=raw,if=virtio,cache=unsafe" \
    -kernel "$kernel_dir"/boot/vmlinuz-* -initrd "$work/initrd" \
    -append "console=ttyS0 loglevel=5 panic=-1 softlockup_panic=1 ${systemd[*]}" \
    >"$work/qemu" 2>&1 </dev/null &
qemu_pid=$!
has_ended() {
    [[ $(tail -n 1 "$work/output") =~ ^vmtest:\ end\ ([0-9]+)$ ]]
}
# A guest that was suspended cannot always switch itself off.
until has_ended || ! kill -0 "$qemu_pid" 2>/dev/null; do sleep 0.5; done
sleep 2
kill "$qemu_pid" 2>/dev/null || :
status=0
wait "$qemu_pid" || status=$?
qemu_pid=''

# Its first and last lines are not the script's.
sed -e '1{/^vmtest: begin$/d}' -e '${/^vmtest: end [0-9]*$/d}' "$work/output"
[[ ! $console ]] || cp "$work/console" "$console"

console_tail() {
    say "the end of its console:"
    cat "$work/qemu" <(tail -n 40 "$work/console") | sed 's/^/    /' >&2
}
if has_ended; then
    exit "${BASH_REMATCH[1]}"
elif ! grep -q '^vmtest: begin$' "$work/output"; then
    say "the guest ($kernel) did not reach the script in $SECONDS s"
    console_tail
    exit 125
elif ((status == 124 || status == 137)); then
    say "timeout: not done after $limit s"
    console_tail
    exit 124
fi
say "the guest ($kernel) died while the script ran"
console_tail
exit 255
