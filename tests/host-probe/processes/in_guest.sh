#!/bin/bash
# usage: in_guest.sh PROCESSES_BPF_TESTS TESTS
#
# Runs inside a guest: what the kernel's threads for a VMM cost, with vhost-net, what its cgroups are charged with, and
# where guest RAM is; [kvm] among TESTS: with KVM.

set -euo pipefail
modprobe --all vhost_net overlay
[[ $2 != *'[kvm]'* ]] || modprobe kvm-amd 2>/dev/null || modprobe kvm-intel
exec "$1" "$2"
