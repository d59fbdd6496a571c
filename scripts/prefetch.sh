#!/bin/bash
# usage: scripts/prefetch.sh [NAME...]
#
# Fetches what vmtest/ boots with into the cache: kernels and programs of other
# Debian suites, by their names in vmtest/kernels/table and vmtest/tools/table
# (default: all of both). Does nothing when all is there.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"

case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac
vmtest=$here/../vmtest
for kind in kernels tools; do
    mapfile -t names < <(awk '!/^#/ { print $1 }' "$vmtest/$kind/table")
    for name in "${names[@]}"; do
        if (($# == 0)) || [[ " $* " == *" $name "* ]]; then
            "$vmtest/$kind/fetch.sh" "$name" >/dev/null
        fi
    done
done
"$vmtest/accel.sh" >/dev/null
