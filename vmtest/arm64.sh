#!/bin/bash
# usage: vmtest/arm64.sh --kernel VERSION [OPTION...] -- COMMAND [ARG...]
#
# What vm.sh does, for a kernel of arm64, which vm.sh hands over: QEMU emulates
# the processor. The guest has no file system of this machine, which is of another
# processor: its root is an initramfs with busybox and what is added, with libraries
# of scripts/sysroot.sh; COMMAND begins in /.
#
#   --kernel VERSION   one of vmtest/kernels/table with arm64 in its name
#   --add FILE         a program or file for the guest, which has it by the same
#                      path; may be repeated
#   --cgroup, --memory, --cpus, --append, --timeout, --verbose
#                      as vm.sh has them (default of --cgroup: v2)
#
# Stdout, stderr and exit status are as vm.sh has them.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
. "$here/lib/initramfs.sh"

kernel='' cgroup=v2 memory=1024 cpus=2 append=() limit=300 verbose='' add=()
while (($#)); do
    case $1 in
    --kernel) need_value "$@" && kernel=$2 && shift ;;
    --add) need_value "$@" && add+=("$2") && shift ;;
    --cgroup) need_value "$@" && cgroup=$2 && shift ;;
    --memory) need_value "$@" && memory=$2 && shift ;;
    --cpus) need_value "$@" && cpus=$2 && shift ;;
    --append) need_value "$@" && append+=("$2") && shift ;;
    --timeout) need_value "$@" && limit=$2 && shift ;;
    --verbose) verbose=yes ;;
    -h | --help) help_from_header && exit 0 ;;
    --) shift && break ;;
    *) die "unknown argument '$1' (see --help; COMMAND comes after --)" ;;
    esac
    shift
done
[[ $kernel == *arm64* ]] || die "--kernel is one of arm64 in vmtest/kernels/table, not '$kernel'"
(($#)) || die "no command after -- (see --help)"
for number in memory cpus limit; do
    [[ ${!number} =~ ^[1-9][0-9]*$ ]] || die "'${!number}' is not a number for $number"
done
[[ $cgroup =~ ^(v1|v2|v2-bare)$ ]] || die "--cgroup is v1, v2 or v2-bare, not '$cgroup'"
for program in qemu-system-aarch64 cpio modprobe; do
    command -v "$program" >/dev/null || die "$program is missing: run scripts/packages.sh vm arm64"
done
kernel_dir=$("$here/kernels/fetch.sh" "$kernel")
sysroot=$("$here/../scripts/sysroot.sh" arm64)

job=$(mktemp -d /tmp/katameter-arm64.XXXXXX)
runner=''
finish() {
    [[ ! $runner ]] || { kill -TERM "$runner" 2>/dev/null && wait "$runner"; } || :
    rm -rf "$job"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

root=$job/root
initramfs_new "$root" "$sysroot/bin/busybox"
cp "$here/guest/arm64-init.sh" "$root/init"
cp "$here/guest/cgroups.sh" "$root/"
printf 'CGROUP=%s\n' "$cgroup" >"$root/settings"
{
    printf 'exec'
    printf ' %q' "$@"
    printf '\n'
} >"$root/command"
mkdir -p "$root/lib/aarch64-linux-gnu"
cp -L "$sysroot/lib/ld-linux-aarch64.so.1" "$root/lib/"

# What a program or a library is linked with.
add_libraries_of() { # FILE
    local name library
    while read -r name; do
        [[ ! -e $root/lib/aarch64-linux-gnu/$name ]] || continue
        for library in "$sysroot"/{,usr/}lib/aarch64-linux-gnu/"$name"; do [[ ! -e $library ]] || break; done
        [[ -e $library ]] || die "$1 needs $name, which the sysroot does not have"
        cp -L "$library" "$root/lib/aarch64-linux-gnu/"
        add_libraries_of "$library"
    done < <(aarch64-linux-gnu-objdump -p "$1" 2>/dev/null | awk '$1 == "NEEDED" { print $2 }')
}
for file in "${add[@]}"; do
    [[ -r $file ]] || die "cannot read $file"
    mkdir -p "$root${file%/*}"
    aarch64-linux-gnu-strip -o "$root$file" "$file" 2>/dev/null || cp "$file" "$root$file"
    add_libraries_of "$file"
done
initramfs_modules "$root" "$kernel_dir" virtio_pci virtio_console virtio_net vsock_loopback loop
initramfs_pack "$root" "$job/initrd"
rm -rf "$root"

# Output goes through pipes: QEMU would truncate a file.
mkfifo "$job/stdout" "$job/stderr"
cat <"$job/stdout" &
filters=($!)
cat <"$job/stderr" >&2 &
filters+=($!)
: >"$job/console"
[[ ! $verbose ]] || tail -f --pid=$$ "$job/console" >&2 &

# A processor without pointer authentication, which takes long to emulate.
port() { # NAME
    printf '%s\n' -chardev "file,id=$1,path=$job/$1" -device "virtserialport,chardev=$1,name=vm.$1"
}
mapfile -t ports < <(port stdout && port stderr && port status)
SECONDS=0
setpriv --pdeathsig TERM timeout --kill-after=5 "$limit" qemu-system-aarch64 -machine virt,gic-version=3 \
    -cpu neoverse-n1 -accel tcg,thread=multi -smp "$cpus" -m "${memory}M" -nodefaults -display none -no-reboot \
    -kernel "$kernel_dir"/boot/vmlinuz-* -initrd "$job/initrd" \
    -append "console=ttyAMA0 loglevel=4 panic=-1 ${append[*]}" \
    -chardev "file,id=console,path=$job/console" -serial chardev:console -device virtio-serial-pci "${ports[@]}" \
    -netdev user,id=network,restrict=on -device virtio-net-pci,netdev=network,romfile= \
    >"$job/qemu" 2>&1 </dev/null &
runner=$!
status=0
wait "$runner" || status=$?
runner=''
# Those that QEMU has not opened wait for a writer.
for pipe in stdout stderr; do : <>"$job/$pipe"; done
wait "${filters[@]}" || say "not all of the output could be passed on"

if [[ -s $job/status ]]; then
    exit "$(<"$job/status")"
fi
say "the end of the console of the guest ($kernel):"
cat "$job/qemu" <(tail -n 40 "$job/console") | sed 's/^/    /' >&2
if ((status == 124 || status == 137)) && ((SECONDS >= limit)); then
    say "timeout: not done after $limit s"
    exit 124
fi
say "the guest did not start, or died while the command ran"
exit 125
