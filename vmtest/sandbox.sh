#!/bin/bash
# usage: vmtest/sandbox.sh --id ID --dir DIR [OPTION...]
#
# Runs one Kata-like sandbox in the foreground: QEMU, virtiofsd (two
# processes), hybrid vsock, with Kata's names and paths under DIR. Prints
# "ready" on stdout when the guest is up and guest-probe accepts connections.
# On SIGTERM or SIGINT it removes everything but DIR/console.log and ends.
#
#   --id ID             the sandbox id; Kata's are 64 hex digits (required)
#   --dir DIR           where run/ is made, at most 23 characters long for a
#                       full-length id, because of sockets (required)
#   --init SCRIPT       what the guest runs after boot, with busybox sh
#                       (default vmtest/sandbox/workload.sh). It finds $CGROUP
#                       (v1 or v2) and $SHARED (the virtiofs mount); when it
#                       ends the sandbox keeps running
#   --guest-probe PATH  static binary (default build/bin/guest-probe), put in
#                       and stripped by packaging/kata/add-to-rootfs.sh; "none"
#                       for a guest without it
#   --start boot|none   boot: a boot script starts guest-probe, before the init
#                       script (default); none: it is there, as a program and
#                       as a guest hook, and not started
#   --add FILE          a further static binary or script for the guest's /bin;
#                       may be repeated
#   --kernel VERSION    one of vmtest/kernels/table (default 5.10.262)
#   --cgroup v1|v2|v2-bare
#                       as vm.sh has them (default v1)
#   --memory MIB        guest memory (default 256)
#   --console FILE      the guest's console (default DIR/console.log)
#   --timeout S         how long coming up may take (default 60)
#
# DIR/run/vc/vm/ID/clh.sock                                hybrid vsock
# DIR/run/vc/sbs/ID/                                       sandbox storage
# DIR/run/kata-containers/shared/sandboxes/ID/shared       virtiofs source
# Needs root, as virtiofsd does. Exit status: 0 if a signal stopped it, else 1.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
. "$here/lib/initramfs.sh"
. "$here/lib/sandbox.sh"

id='' dir='' init=$here/sandbox/workload.sh probe=$here/../build/bin/guest-probe
start=boot kernel=5.10.262 cgroup=v1 memory=256 console='' limit=60 add=()
while (($#)); do
    case $1 in
    --id) need_value "$@" && id=$2 && shift ;;
    --dir) need_value "$@" && dir=$2 && shift ;;
    --init) need_value "$@" && init=$2 && shift ;;
    --guest-probe) need_value "$@" && probe=$2 && shift ;;
    --start) need_value "$@" && start=$2 && shift ;;
    --add) need_value "$@" && add+=("$2") && shift ;;
    --kernel) need_value "$@" && kernel=$2 && shift ;;
    --cgroup) need_value "$@" && cgroup=$2 && shift ;;
    --memory) need_value "$@" && memory=$2 && shift ;;
    --console) need_value "$@" && console=$2 && shift ;;
    --timeout) need_value "$@" && limit=$2 && shift ;;
    -h | --help) help_from_header && exit 0 ;;
    *) die "unknown argument '$1' (see --help)" ;;
    esac
    shift
done
[[ $id =~ ^[0-9A-Za-z][0-9A-Za-z_.-]*$ ]] || die "--id is missing or not an id: '$id'"
[[ $dir ]] || die "--dir is missing (see --help)"
[[ $cgroup =~ ^(v1|v2|v2-bare)$ ]] || die "--cgroup is v1, v2 or v2-bare, not '$cgroup'"
[[ $start == boot || $start == none ]] || die "--start is boot or none, not '$start'"
[[ $memory =~ ^[1-9][0-9]*$ ]] || die "'$memory' is not a number of MiB"
[[ $limit =~ ^[1-9][0-9]*$ ]] || die "'$limit' is not a number of seconds"
[[ -r $init ]] || die "cannot read the init script $init"
((EUID == 0)) || die "run as root: virtiofsd creates namespaces"
if [[ $probe == none ]]; then
    probe=''
elif [[ ! -x $probe ]]; then
    die "no guest-probe at $probe: build it, or give --guest-probe PATH|none"
fi

dir=$(realpath -m "$dir")
vm=$dir/run/vc/vm/$id
storage=$dir/run/vc/sbs/$id
shared=$dir/run/kata-containers/shared/sandboxes/$id
socket=$vm/clh.sock
((${#socket} <= 107)) || die "$socket has ${#socket} characters, a socket may" \
    "have 107: choose a --dir that is $((${#socket} - 107)) shorter"
[[ ! -e $vm ]] || die "$vm exists: is a sandbox of this id running?"
console=${console:-$dir/console.log}

# Everything that may have to be downloaded comes first.
virtiofsd_program=/usr/lib/qemu/virtiofsd
for program in qemu-system-x86_64 "$virtiofsd_program" busybox cpio modprobe python3; do
    command -v "$program" >/dev/null ||
        die "$program is missing: run scripts/packages.sh vm"
done
kernel_dir=$("$here/kernels/fetch.sh" "$kernel")
vsock_program=$("$here/tools/fetch.sh" vhost-device-vsock)/bin/vhost-device-vsock
accelerator=$("$here/accel.sh")

work=$(mktemp -d /tmp/katameter-sandbox.XXXXXX)
qemu_pid=''

clean_up() {
    local status=$? made
    # A second signal must not interrupt this.
    trap '' INT TERM HUP
    sandbox_stop || status=1
    rm -rf "$work" "$vm" "$storage" "$shared" || status=1
    # Another sandbox of this directory may use them, or have removed them.
    for made in run/vc/vm run/vc/sbs run/kata-containers/shared/sandboxes; do
        [[ ! -d $dir/$made ]] || (cd "$dir" && rmdir -p --ignore-fail-on-non-empty "$made") || status=1
    done
    exit "$status"
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

mkdir -p "$vm" "$storage" "$shared/shared"
chmod 700 "$storage"

initramfs_new "$work/root"
cp "$here/guest/sandbox-init.sh" "$work/root/init"
cp "$here/guest/cgroups.sh" "$work/root/cgroups.sh"
cp "$init" "$work/root/workload"
printf 'CGROUP=%s\nSTART=%s\n' "$cgroup" "$start" >"$work/root/settings"
[[ ! $probe ]] || "$here/../packaging/kata/add-to-rootfs.sh" --guest-probe "$probe" "$work/root" 2>"$work/add.log" ||
    die "$(<"$work/add.log")"
((${#add[@]} == 0)) || cp "${add[@]}" "$work/root/bin/"
initramfs_modules "$work/root" "$kernel_dir" \
    virtio_pci virtiofs vmw_vsock_virtio_transport
initramfs_pack "$work/root" "$work/initrd"
rm -rf "$work/root"

: >"$console"
start_vsock "$work" "$socket"
start_virtiofsd "$work" "$shared/shared"
start_qemu "$work" "$id" "$memory" "$kernel_dir" "$console" "$vm/pid"

failed() {
    say "$*; the end of $console:"
    cat "$work"/*.log <(tail -n 20 "$console") | sed 's/^/    /' >&2
    exit 1
}

# Up: the guest's init says so on the console. Ready: guest-probe, if it was
# started, accepts.
is_ready() {
    grep -q '^sandbox: up' "$console" || return 1
    [[ ! $probe || $start == none ]] || "$here/sandbox/connect.py" "$socket" 1717 >/dev/null
}

SECONDS=0
until is_ready; do
    kill -0 "$qemu_pid" 2>/dev/null || failed "QEMU ended during boot"
    # Its log is the kernel's.
    ! grep -q 'guest-probe: error' "$console" || failed "guest-probe does not run"
    ((SECONDS < limit)) || failed "not ready after $limit s"
    sleep 0.1
done
echo ready

ended=0
wait "$qemu_pid" || ended=$?
failed "QEMU ended with status $ended"
