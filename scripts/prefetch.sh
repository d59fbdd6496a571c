#!/bin/bash
# usage: scripts/prefetch.sh [--all | NAME...]
#
# Fetches what vmtest/ boots with into the cache: kernels and programs of other
# Debian suites, by their names in vmtest/kernels/table and vmtest/tools/table, and
# systemd, which is a root with it. Default: all of it that need not be compiled,
# --all: also what tests compile. Does nothing when all is there.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"

all=''
case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
--all)
    all=yes
    shift
    ;;
esac
vmtest=$here/../vmtest
for kind in kernels tools; do
    mapfile -t rows < <(grep -v '^#' "$vmtest/$kind/table")
    for row in "${rows[@]}"; do
        read -r name _ package _ <<<"$row"
        if (($#)); then
            [[ " $* " == *" $name "* ]] || continue
        elif [[ $package == build.sh=* || ($package == build.sh && ! $all) ]]; then
            continue
        fi
        "$vmtest/$kind/fetch.sh" "$name" >/dev/null
    done
done
if (($# == 0)) || [[ " $* " == *' systemd '* ]]; then
    "$vmtest/debian.sh" >/dev/null
fi
"$vmtest/accel.sh" >/dev/null
