#!/bin/bash
# usage: scripts/package.sh [--no-lint]
#
# Builds the Debian packages katameter-host and katameter-guest for Debian 12
# into build/release, checks them with lintian (--no-lint leaves that out), and
# prints their names.

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
rm -f build/release/*.deb
say "packing"
(cd build/release && cpack -G DEB) >&2
debs=(build/release/katameter-{host,guest}_*.deb)
if [[ $lint ]]; then
    say "checking with lintian"
    lintian --fail-on error,warning "${debs[@]}" >&2
fi
printf '%s\n' "${debs[@]}"
