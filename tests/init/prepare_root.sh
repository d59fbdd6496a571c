#!/bin/bash
# usage: prepare_root.sh ROOT
#
# Puts both probes into a root of vmtest/systemd.sh: guest-probe as users do,
# host-probe as its package would, with the libraries of this Debian 12; and the
# simulator, for a node with a guest.

set -euo pipefail
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
root=$1
"$top/packaging/kata/add-to-rootfs.sh" --guest-probe "$top/build/bin/guest-probe" "$root"

mkdir -p "$root/etc/katameter"
for program in host-probe simulator; do strip -o "$root/usr/bin/$program" "$top/build/bin/$program"; done
cp "$top/packaging/systemd/katameter-host-probe.service" "$root/usr/lib/systemd/system/"
cp "$top/packaging/systemd/host-probe.conf" "$root/etc/katameter/"
"${BASH_SOURCE[0]%/*}/add_libraries.sh" "$root"
cp "$top"/tests/init/{in_guest,guest_unit,host_unit,suspend}.sh "$root/usr/lib/vmtest/"
