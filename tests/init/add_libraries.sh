#!/bin/bash
# usage: add_libraries.sh ROOT
#
# Puts the libraries that host-probe needs into ROOT, of this Debian 12.

set -euo pipefail
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
ldd "$top/build/bin/host-probe" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    while read -r library; do
        # /lib is /usr/lib on this side and on that.
        [[ -e $1$library ]] || cp -L "$library" "$1$library"
    done
