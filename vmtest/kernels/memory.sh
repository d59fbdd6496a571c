#!/bin/bash
# usage: vmtest/kernels/memory.sh [KERNEL...]
#
# Boots kernels (default: kata-like-bare, kata-like, kata-like-full) in guests of
# 256 MiB and prints, in KiB, what each leaves of that:
#
#   total      MemTotal, beside it the difference from the kernel before
#   available  MemAvailable at the start
#   groups     by how much 1,000 more cgroups (v2) make it less
#   bzImage    the size of the file
#
# Where the fragments are described (packaging/guest-kernel) the figures are.

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

# Runs in the guest. What the kernel can give back does not count.
measure=$(
    cat <<'GUEST'
value() { awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo; }
available() { sync; echo 3 >/proc/sys/vm/drop_caches; sleep 1; value MemAvailable; }
start=$(available)
for ((i = 0; i < 1000; i++)); do mkdir /sys/fs/cgroup/measured-$i; done
echo "$(value MemTotal) $start $((start - $(available)))"
GUEST
)

printf '%-16s %8s %8s %10s %8s %8s\n' kernel total less available groups bzImage
earlier=''
for kernel in "${kernels[@]}"; do
    read -r total available groups < <("$here/../vm.sh" --kernel "$kernel" --cgroup v2 --memory 256 --timeout 600 -- \
        bash -c "$measure") || die "$kernel: not measured"
    image=$(stat -c %s "$("$here/fetch.sh" "$kernel")"/boot/vmlinuz-*)
    printf '%-16s %8d %8d %10d %8d %8d\n' "$kernel" "$total" "$((${earlier:-$total} - total))" "$available" "$groups" \
        "$((image / 1024))"
    earlier=$total
done
