#!/bin/bash
# usage: vmtest/accel.sh
#
# Prints what QEMU can run guests with on this machine: kvm or tcg. A /dev/kvm
# that opens is no proof (nested set-ups have one that cannot run an ordinary
# kernel), so a kernel is really booted; the answer holds until the machine
# itself is booted again. KATAMETER_ACCEL=kvm|tcg overrides.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
. "$here/lib/cache.sh"
. "$here/lib/initramfs.sh"

case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac

# Boots a kernel whose init prints a marker; true if the marker came.
kvm_boots() { # DIR
    local dir=$1 kernel
    kernel=$("$here/kernels/fetch.sh" 5.10.262) || return 1
    initramfs_new "$dir/root"
    cat >"$dir/root/init" <<'INIT'
#!/bin/busybox sh
echo KVM-WORKS
exec /bin/busybox poweroff -f
INIT
    chmod +x "$dir/root/init"
    initramfs_pack "$dir/root" "$dir/initrd"
    # In a shell of its own: where KVM only half works QEMU aborts, and the
    # shell's report of that is no news for the user.
    (timeout 10 qemu-system-x86_64 -accel kvm -cpu host -m 128M -nodefaults \
        -display none -serial "file:$dir/console" -no-reboot \
        -kernel "$kernel"/boot/vmlinuz-* -initrd "$dir/initrd" \
        -append 'console=ttyS0 quiet panic=-1' >"$dir/qemu" 2>&1 </dev/null ||
        true) 2>/dev/null
    grep -qs KVM-WORKS "$dir/console"
}

find_accel() { # DIR
    local dir=$1
    echo tcg >"$dir/answer"
    if [[ -w /dev/kvm ]]; then
        say "trying whether KVM works here (up to 10 s, once)"
        if kvm_boots "$dir"; then
            echo kvm >"$dir/answer"
        fi
        rm -rf "$dir/root" "$dir/initrd"
    fi
}

if [[ ${KATAMETER_ACCEL:-} ]]; then
    printf '%s\n' "$KATAMETER_ACCEL"
    exit 0
fi
boot=$(</proc/sys/kernel/random/boot_id)
answer=$(cache_entry "accel/$boot-$EUID" find_accel)
cat "$answer/answer"
