#!/bin/bash
# usage: scripts/prefetch.sh [--all | NAME...]
#
# Fetches what vmtest/ boots with into the cache: a root with systemd, kernels and
# programs of other Debian suites, by their names in vmtest/kernels/table and vmtest/tools/table
# (default: all of both that need not be compiled, --all: also those that tests
# boot). Does nothing when all is there.

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
(($#)) || "$vmtest/debian.sh" >/dev/null
"$vmtest/accel.sh" >/dev/null
