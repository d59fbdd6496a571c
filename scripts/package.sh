#!/bin/bash
# usage: scripts/package.sh [--no-lint] [ARCHITECTURE]
#
# Builds the Debian packages katameter-host and katameter-guest for Debian 12
# into build/release, or for ARCHITECTURE arm64 on another machine into
# build/arm64 (with the libraries of scripts/sysroot.sh), checks them with lintian (--no-lint leaves that out), and
# prints their names. Beside them are SHA256SUMS and, in katameter.spdx.json,
# what they are made of (SPDX 2.3). Equal sources on an equal Debian give equal
# bytes, wherever they lie: files have the time of the changelog's newest entry.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
cd "$here/.."

lint=yes here_for=$(dpkg --print-architecture)
architecture=$here_for
while (($#)); do
    case $1 in
    -h | --help)
        help_from_header
        exit 0
        ;;
    --no-lint) lint='' ;;
    "$here_for" | arm64) architecture=$1 ;;
    amd64) die "packages for amd64 are built on amd64, and this machine is $here_for" ;;
    *) die "unknown argument '$1' (see --help)" ;;
    esac
    shift
done

scripts/packages.sh build package
preset=release
if [[ $architecture != "$here_for" ]]; then
    preset=$architecture
    scripts/packages.sh "$architecture"
    # For dpkg-shlibdeps and dpkg-query: where the libraries are from.
    DPKG_ADMINDIR=$(scripts/sysroot.sh "$architecture")/var/lib/dpkg
    export DPKG_ADMINDIR DEB_HOST_ARCH=$architecture
fi
build=build/$preset
scripts/build.sh "$preset" >&2
rm -f "$build"/*.deb "$build"/SHA256SUMS "$build"/katameter.spdx.json
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog --file packaging/debian/changelog --show-field Timestamp)
export SOURCE_DATE_EPOCH
say "packing"
(cd "$build" && cpack -G DEB) >&2
debs=("$build"/katameter-{host,guest}_*.deb)
# CPack keeps the times of the build; dpkg-deb takes SOURCE_DATE_EPOCH for what is newer.
for deb in "${debs[@]}"; do
    tree=$build/tree
    rm -rf "$tree"
    dpkg-deb --raw-extract "$deb" "$tree"
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$deb" >&2
    rm -rf "$tree"
done
if [[ $lint ]]; then
    say "checking with lintian"
    lintian --fail-on error,warning "${debs[@]}" >&2
fi
scripts/lib/sbom.py "$build" "${debs[@]}" >"$build"/katameter.spdx.json
(cd "$build" && sha256sum -- *.deb katameter.spdx.json >SHA256SUMS)
printf '%s\n' "${debs[@]}"
