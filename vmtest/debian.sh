#!/bin/bash
# usage: vmtest/debian.sh
#
# Prints the directory of a small Debian 12 with systemd, which vmtest/systemd.sh
# boots: root/. Made by debootstrap, once, in the cache (KATAMETER_CACHE, else
# ~/.cache/katameter). Needs root, for that.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
. "$here/lib/cache.sh"
. "$here/lib/archive.sh"
. "$here/lib/debian.sh"

case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac
command -v debootstrap >/dev/null || die "debootstrap is missing: run scripts/packages.sh vm"
# Another number when what debian_make does changes.
cache_entry roots/bookworm-systemd-1 debian_make
