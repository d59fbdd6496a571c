#!/bin/bash
# usage: vmtest/sandbox.sh --id ID --dir DIR [OPTION...]
#
# Runs one Kata-like sandbox in the foreground: QEMU, virtiofsd (two
# processes), vsock, with Kata's names and paths under DIR. Prints
# "ready" on stdout when the guest is up and guest-probe accepts connections.
# On SIGTERM or SIGINT it removes everything but DIR/console.log and ends.
#
#   --id ID             the sandbox id; Kata's are 64 hex digits (required)
#   --dir DIR           where run/ is made, at most 23 characters long for a
#                       full-length id, because of sockets; / in a node
#                       (required)
#   --layout NAME       whose names and paths: clh, clh-rs, qemu or qemu-rs,
#                       which is cloud-hypervisor or QEMU, of the Go runtime or
#                       of runtime-rs (default clh). cloud-hypervisor is QEMU by
#                       its name with a hybrid vsock; QEMU has AF_VSOCK, for
#                       which there must be /dev/vhost-vsock
#   --cid N             of AF_VSOCK, another one for each sandbox (default 3)
#   --shim FILE         what runs as Kata's shim above it: build/bin/kata_shim
#                       (default: no shim)
#   --preload FILE      a library that is loaded into the VMM: build/bin/kvm_run.so
#                       in an emulated node of 6.18, elsewhere it has no effect
#   --cgroups           as the runtime of the layout has them on a node of
#                       cgroup v2: of Go, the VMM in the pod's and the others in
#                       /kata_overhead, of Rust all in the pod's
#   --init SCRIPT       what the guest runs after boot, with busybox sh
#                       (default vmtest/sandbox/workload.sh). It finds $CGROUP
#                       (v1 or v2), $SHARED (the virtiofs mount) and
#                       /containers.sh (vmtest/guest); when it ends the sandbox
#                       keeps running
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
#   --cpus N            vCPUs (default 2)
#   --make-initrd FILE  only makes the file that the guest boots with, of --init,
#                       --guest-probe, --start, --add, --kernel and --cgroup
#   --initrd FILE       takes that file in place of making one, which takes long
#                       in an emulated node
#   --console FILE      the guest's console (default DIR/console.log)
#   --timeout S         how long coming up may take (default 60)
#
# What is where for each layout: vmtest/lib/layout.sh. Needs root, as virtiofsd
# does. Exit status: 0 if a signal stopped it, else 1.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
. "$here/lib/initramfs.sh"
. "$here/lib/sandbox.sh"
. "$here/lib/layout.sh"

# Below the shim, whose command line is Kata's, they are in a file.
arguments=("$@")
[[ ! ${KATAMETER_SANDBOX_ARGUMENTS:-} ]] || mapfile -d '' -t arguments <"$KATAMETER_SANDBOX_ARGUMENTS"
set -- "${arguments[@]}"

id='' dir='' init=$here/sandbox/workload.sh probe=$here/../build/bin/guest-probe
start=boot kernel=5.10.262 cgroup=v1 memory=256 cpus=2 console='' limit=60 add=()
layout=clh cid=3 shim='' preload='' cgroups='' make='' initrd=''
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
    --make-initrd) need_value "$@" && make=$2 && shift ;;
    --initrd) need_value "$@" && initrd=$2 && shift ;;
    --layout) need_value "$@" && layout=$2 && shift ;;
    --cid) need_value "$@" && cid=$2 && shift ;;
    --shim) need_value "$@" && shim=$2 && shift ;;
    --preload) need_value "$@" && preload=$2 && shift ;;
    --cgroups) cgroups=yes ;;
    --cpus) need_value "$@" && cpus=$2 && shift ;;
    --memory) need_value "$@" && memory=$2 && shift ;;
    --console) need_value "$@" && console=$2 && shift ;;
    --timeout) need_value "$@" && limit=$2 && shift ;;
    -h | --help) help_from_header && exit 0 ;;
    *) die "unknown argument '$1' (see --help)" ;;
    esac
    shift
done
[[ ! $make ]] || id=initrd dir=/tmp layout=clh
[[ $id =~ ^[0-9A-Za-z][0-9A-Za-z_.-]*$ ]] || die "--id is missing or not an id: '$id'"
[[ $dir ]] || die "--dir is missing (see --help)"
[[ $cgroup =~ ^(v1|v2|v2-bare)$ ]] || die "--cgroup is v1, v2 or v2-bare, not '$cgroup'"
[[ $start == boot || $start == none ]] || die "--start is boot or none, not '$start'"
[[ $layout =~ ^(clh|qemu)(-rs)?$ ]] || die "--layout is clh, clh-rs, qemu or qemu-rs, not '$layout'"
for number in memory cpus cid limit; do
    [[ ${!number} =~ ^[1-9][0-9]*$ ]] || die "'${!number}' is not a number for $number"
done
[[ ! $shim || -x $shim ]] || die "no shim at $shim: build it"
[[ ! $preload || -r $preload ]] || die "no library at $preload: build it"
[[ $layout != qemu* || -e /dev/vhost-vsock ]] || die "no /dev/vhost-vsock for --layout $layout: run it in vmtest/node.sh"
[[ ! $cgroups || -e /sys/fs/cgroup/cgroup.controllers ]] || die "--cgroups is of cgroup v2, which is not here"
[[ -r $init ]] || die "cannot read the init script $init"
[[ ! $initrd || -r $initrd ]] || die "cannot read the initrd $initrd"
((EUID == 0)) || die "run as root: virtiofsd creates namespaces"
if [[ $probe == none ]]; then
    probe=''
elif [[ ! -x $probe ]]; then
    die "no guest-probe at $probe: build it, or give --guest-probe PATH|none"
fi

dir=$(realpath -m "$dir")
dir=${dir%/}
set_layout
[[ ! -e $vm ]] || die "$vm exists: is a sandbox of this id running?"
console=${console:-$dir/console.log}

# Everything that may have to be downloaded comes first.
for program in qemu-system-x86_64 /usr/lib/qemu/virtiofsd busybox cpio modprobe python3; do
    command -v "$program" >/dev/null ||
        die "$program is missing: run scripts/packages.sh vm"
done
kernel_dir=$("$here/kernels/fetch.sh" "$kernel")
vsock_program=$("$here/tools/fetch.sh" vhost-device-vsock)/bin/vhost-device-vsock
[[ $layout == clh ]] || virtiofsd_root=$("$here/tools/fetch.sh" virtiofsd)
accelerator=$("$here/accel.sh")

# Everything that the guest runs, for --initrd or for this sandbox alone.
make_initrd() {
    initramfs_new "$work/root"
    cp "$here/guest/sandbox-init.sh" "$work/root/init"
    cp "$here"/guest/{cgroups,containers}.sh "$work/root/"
    cp "$init" "$work/root/workload"
    printf 'CGROUP=%s\nSTART=%s\n' "$cgroup" "$start" >"$work/root/settings"
    [[ ! $probe ]] || "$here/../packaging/kata/add-to-rootfs.sh" --guest-probe "$probe" "$work/root" 2>"$work/add.log" ||
        die "$(<"$work/add.log")"
    ((${#add[@]} == 0)) || cp "${add[@]}" "$work/root/bin/"
    initramfs_modules "$work/root" "$kernel_dir" \
        virtio_pci virtiofs vmw_vsock_virtio_transport
    initramfs_pack "$work/root" "$initrd"
    rm -rf "$work/root"
}

if [[ $make ]]; then
    work=$(mktemp -d /tmp/katameter-initrd.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    initrd=$make
    make_initrd
    exit 0
fi
if [[ ! ${KATAMETER_SANDBOX_ARGUMENTS:-} ]]; then
    work=$(mktemp -d /tmp/katameter-sandbox.XXXXXX)
    [[ ! $cgroups ]] || make_cgroups
    [[ ! $shim ]] || become_shim # and comes here again below it
else
    work=${KATAMETER_SANDBOX_ARGUMENTS%/*}
    unset KATAMETER_SANDBOX_ARGUMENTS
fi
qemu_pid=''

clean_up() {
    local status=$? made
    # A second signal must not interrupt this.
    trap '' INT TERM HUP
    sandbox_stop || status=1
    [[ ! $cgroups ]] || remove_cgroups
    rm -rf "$work" "$vm" "$storage" "$shared" || status=1
    # Another sandbox of this directory may use them, or have removed them.
    for made in "${vm%/*}" "${storage%/*}" "${shared%/*}"; do
        [[ ! -d $made ]] || (cd "$dir/" && rmdir -p --ignore-fail-on-non-empty "${made#"$dir/"}") || status=1
    done
    exit "$status"
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

mkdir -p "$vm" "$storage" "$share"
chmod 700 "$storage"

[[ $initrd ]] || {
    initrd=$work/initrd
    make_initrd
}

: >"$console"
start_layout

failed() {
    say "$*; the end of $console:"
    cat "$work"/*.log <(tail -n 20 "$console") | sed 's/^/    /' >&2
    exit 1
}

# Up: the guest's init says so on the console. Ready: guest-probe, if it was
# started, accepts.
is_ready() {
    console_has 'sandbox: up' || return 1
    [[ ! $probe || $start == none ]] || "$here/sandbox/connect.py" "${socket:-$cid}" 1717 >/dev/null
}

SECONDS=0
until is_ready; do
    kill -0 "$qemu_pid" 2>/dev/null || failed "QEMU ended during boot"
    # Its log is the kernel's.
    ! console_has 'guest-probe: error' || failed "guest-probe does not run"
    ((SECONDS < limit)) || failed "not ready after $limit s"
    pause 0.2
done
[[ ! $cgroups ]] || echo "$qemu_pid" >"$pod_cgroup/cgroup.procs"
echo ready

ended=0
wait "$qemu_pid" || ended=$?
failed "QEMU ended with status $ended"
