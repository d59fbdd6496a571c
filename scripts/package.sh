#!/bin/bash
# usage: scripts/package.sh [--no-lint]
#
# Builds the Debian packages katameter-host and katameter-guest for Debian 12
# into build/release, checks them with lintian (--no-lint leaves that out), and
# prints their names. Beside them are SHA256SUMS and, in katameter.spdx.json,
# what they are made of (SPDX 2.3). Equal sources on an equal Debian give equal
# bytes, wherever they lie: files have the time of the changelog's newest entry.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
cd "$here/.."

lint=yes
case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
--no-lint) lint='' ;;
'') ;;
*) die "unknown argument '$1' (see --help)" ;;
esac

scripts/packages.sh build package
scripts/build.sh release >&2
rm -f build/release/*.deb build/release/SHA256SUMS build/release/katameter.spdx.json
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog --file packaging/debian/changelog --show-field Timestamp)
export SOURCE_DATE_EPOCH
say "packing"
(cd build/release && cpack -G DEB) >&2
debs=(build/release/katameter-{host,guest}_*.deb)
# CPack keeps the times of the build; dpkg-deb takes SOURCE_DATE_EPOCH for what is newer.
for deb in "${debs[@]}"; do
    tree=build/release/tree
    rm -rf $tree
    dpkg-deb --raw-extract "$deb" $tree
    dpkg-deb --root-owner-group -Zxz --build $tree "$deb" >&2
    rm -rf $tree
done
if [[ $lint ]]; then
    say "checking with lintian"
    lintian --fail-on error,warning "${debs[@]}" >&2
fi
scripts/lib/sbom.py build/release "${debs[@]}" >build/release/katameter.spdx.json
(cd build/release && sha256sum -- *.deb katameter.spdx.json >SHA256SUMS)
printf '%s\n' "${debs[@]}"
