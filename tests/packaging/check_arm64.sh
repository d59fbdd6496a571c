#!/bin/bash
# usage: tests/packaging/check_arm64.sh
#
# Builds the Debian packages for arm64 on this machine, as a user does, and has
# what is in them run in guests with that processor, of a 6.18 and a 5.10
# kernel (arm64_guest.sh). lintian has to find nothing.
#
# Compiles all that is shipped, with scripts/test.sh --all only.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/../../scripts/lib/say.sh"

case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac
cd "$top"
[[ $(dpkg --print-architecture) != arm64 ]] || die "this machine has that processor: the test of the packages is this one"
mapfile -t debs < <(scripts/package.sh arm64)
((${#debs[@]} == 2)) || die "not two packages: ${debs[*]}"
(cd build/arm64 && sha256sum --check --quiet SHA256SUMS)
work=$(mktemp -d /tmp/katameter-arm64-packages.XXXXXX)
trap 'rm -rf "$work"' EXIT

for deb in "${debs[@]}"; do
    [[ $deb == *_arm64.deb && $(dpkg-deb --field "$deb" Architecture) == arm64 ]] || die "$deb is not for arm64"
    dpkg-deb -x "$deb" "$work"
done
depends=$(dpkg-deb --field "${debs[0]}" Depends)
for package in libc6 libgnutls30 libgrpc++1.51 libstdc++6 libsystemd0 libcurl4; do
    [[ ", $depends," == *", $package"[\ ,]* ]] || die "katameter-host does not depend on $package: $depends"
done
[[ ! $(dpkg-deb --field "${debs[1]}" Depends) ]] || die "katameter-guest is to run where there is nothing"
for name in katameter-guest katameter-host libc6 libc6-dev libbpf-dev; do
    grep -q "\"name\": \"$name\"" build/arm64/katameter.spdx.json || die "$name is not in katameter.spdx.json"
done
! grep -q 'arch=amd64' build/arm64/katameter.spdx.json || die "katameter.spdx.json has packages of this machine"

version=$(dpkg-deb --field "${debs[0]}" Version)
for kernel in 6.18-arm64 5.10-arm64; do
    say "in a guest: $kernel"
    vmtest/vm.sh --kernel "$kernel" --timeout 1500 --add "$work/usr/bin/host-probe" --add "$work/usr/bin/guest-probe" \
        --add "$here/arm64_guest.sh" -- sh "$here/arm64_guest.sh" "$work/usr/bin" "${version%-*}"
done
