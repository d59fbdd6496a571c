#!/bin/bash
# usage: vmtest/kernels/memory.sh [KERNEL...]
#
# Boots kernels (default: kata-like-bare, kata-like, kata-like-full) in guests of
# 256 MiB and prints, in KiB, what each leaves of that:
#
#   total      MemTotal, beside it the difference from the kernel before
#   available  MemAvailable at the start
#   bzImage    the size of the file
#
# Its results are in the README of packaging/guest-kernel.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"

case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac
kernels=("$@")
((${#kernels[@]})) || kernels=(kata-like-bare kata-like kata-like-full)

printf '%-20s %8s %8s %10s %8s\n' kernel total less available bzImage
earlier=''
for kernel in "${kernels[@]}"; do
    # shellcheck disable=SC2016 # awk's own
    read -r total available < <("$here/../vm.sh" --kernel "$kernel" --cgroup v2 --memory 256 --timeout 200 -- \
        awk '/^Mem(Total|Available):/ { printf "%s ", $2 } END { print "" }' /proc/meminfo) || die "$kernel: not measured"
    image=$(stat -c %s "$("$here/fetch.sh" "$kernel")"/boot/vmlinuz-*)
    printf '%-20s %8d %8d %10d %8d\n' "$kernel" "$total" "$((${earlier:-$total} - total))" "$available" "$((image / 1024))"
    earlier=$total
done
