#!/bin/bash
# usage: vmtest/node.sh [OPTION...] -- COMMAND [ARG...]
#
# Boots a node with KVM, on this machine's file system as vm.sh does, runs
# COMMAND there as root in the current directory, returns its output and exit
# status, and powers off. In it are cgroup v2 with all controllers, /dev/kvm,
# /dev/vhost-vsock, and this machine's containerd and runc, not started.
#
#   --kernel VERSION   one of vmtest/kernels/table whose name ends in -node
#                      (default 6.1-node, Debian 12's own)
#   --memory MIB       memory of the node (default 6144)
#   --cpus N           CPUs of the node (default 2; 1 if it is emulated, for with
#                      more QEMU loses guests, and now and then the node)
#   --systemd ROOT     systemd is pid 1 in it (vm.sh)
#   --timeout S        for boot and COMMAND together (default 600)
#   --verbose          kernel messages to stderr, from the start
#
# Where this machine has a KVM that nests, the node runs on it. Elsewhere QEMU
# emulates an AMD processor with SVM, and the node has KVM all the same: VMs in
# it run a few times slower than they would on the machine itself. sandbox.sh
# starts sandboxes under KVM there, and with --dir / has Kata's directories at
# their own place, below /run.
#
# Exit status: as of vm.sh; also 125, with a word that says why, if the node
# has no KVM that runs a guest.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"

kernel=6.1-node memory=6144 cpus=() limit=600 more=()
while (($#)); do
    case $1 in
    --kernel) need_value "$@" && kernel=$2 && shift ;;
    --memory) need_value "$@" && memory=$2 && shift ;;
    --cpus) need_value "$@" && cpus=(--cpus "$2") && shift ;;
    --timeout) need_value "$@" && limit=$2 && shift ;;
    --systemd) need_value "$@" && more+=(--systemd "$2") && shift ;;
    --verbose) more+=(--verbose) ;;
    -h | --help) help_from_header && exit 0 ;;
    --) shift && break ;;
    *) die "unknown argument '$1' (see --help; COMMAND comes after --)" ;;
    esac
    shift
done
(($#)) || die "no command after -- (see --help)"
[[ $kernel == *-node ]] || die "--kernel $kernel has no KVM: take one whose name ends in -node (vmtest/kernels/table)"
for program in containerd containerd-shim-runc-v2 runc; do
    command -v "$program" >/dev/null || die "$program is missing: run scripts/packages.sh test"
done
# What sandboxes are made of; the node's cache is this machine's, and cannot be written.
for tool in vhost-device-vsock virtiofsd; do "$here/tools/fetch.sh" "$tool" >/dev/null; done

exec "$here/vm.sh" --nested --kernel "$kernel" --cgroup v2 --memory "$memory" --timeout "$limit" \
    "${cpus[@]}" "${more[@]}" -- "$here/node/start.sh" "$@"
