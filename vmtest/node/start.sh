#!/bin/bash
# usage: start.sh COMMAND [ARG...]
#
# Makes a node of the guest of vmtest/node.sh, in which it runs: KVM and vhost.
# COMMAND takes its place.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"

no_kvm() {
    say "the node has no KVM: $*; it needs a machine with nested virtualization, or QEMU's emulation of SVM"
    exit 125
}

# KVM that is there may still not run a guest: one whose only instructions,
# where the processor starts, end QEMU with status 85.
runs_a_guest() {
    local status=0
    head -c 65520 /dev/zero >/tmp/firmware
    # mov dx,0x501; mov al,0x2a; out dx,al; hlt
    printf '\xba\x01\x05\xb0\x2a\xee\xf4%9s' '' >>/tmp/firmware
    timeout 120 qemu-system-x86_64 -accel kvm -cpu host -m 16 -nodefaults -display none -no-reboot \
        -bios /tmp/firmware -device isa-debug-exit,iobase=0x501,iosize=1 </dev/null >/tmp/qemu 2>&1 || status=$?
    ((status != 124)) || echo "nothing within 120 s" >/tmp/qemu
    ((status == 85))
}

modprobe kvm-amd 2>/dev/null || modprobe kvm-intel 2>/dev/null || no_kvm "neither kvm-amd nor kvm-intel loads"
modprobe --all vhost_vsock vhost_net loop overlay
runs_a_guest || no_kvm "/dev/kvm is there and runs no guest ($(tail -n 1 /tmp/qemu))"

export KATAMETER_ACCEL=kvm
exec "$@"
