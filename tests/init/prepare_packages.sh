#!/bin/bash
# usage: prepare_packages.sh ROOT
#
# Puts the Debian packages of build/ in two versions into a root of
# vmtest/systemd.sh, and the libraries that host-probe needs, without theirs:
# what it depends on is the business of tests/packaging/check_packages.sh.

set -euo pipefail
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
. "$top/scripts/lib/say.sh"
. "$top/tests/packaging/debs.sh"
shared=$1/usr/lib/vmtest
"${BASH_SOURCE[0]%/*}/add_libraries.sh" "$1"
mkdir "$shared"/{first,later}
pack "$top/build" "$shared/first"
repack_later "$shared/first" "$shared/later"
cp "$top/tests/init/in_guest.sh" "$shared/"
