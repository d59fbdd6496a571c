#!/bin/bash
# usage: scripts/sysroot.sh arm64
#
# Prints the directory with the libraries and headers of Debian 12 for another
# architecture, which arm64.cmake builds with: packages of the same names as
# those of scripts/packages.sh build, unpacked and not installed. Made once, in
# the cache (KATAMETER_CACHE, else ~/.cache/katameter); remove it there to get
# newer ones. Needs no root.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
. "$here/../vmtest/lib/cache.sh"
. "$here/../vmtest/lib/archive.sh"

case ${1:---help} in
-h | --help)
    help_from_header
    exit 0
    ;;
arm64) for=$1 ;;
*) die "no sysroot for '$1': there is one for arm64" ;;
esac

# Of these what is compiled in or linked, catch2 for guest_vm_tests; the C++ library is g++'s. busybox
# is for the guests that tests boot.
mapfile -t packages < <("$here/packages.sh" --list build | grep -e '-dev$')
packages+=(libstdc++-12-dev catch2 busybox-static)

make_sysroot() { # NAME DIR
    archive_unpack_whole "bookworm+bookworm-security:$for" "$2" "$(realpath "$(cache_dir)")/$1" "${packages[@]}"
}

key=$(printf '%s\n' 1 "${packages[@]}" | sha256sum) # another number when what make_sysroot does changes
name=sysroots/bookworm-$for-${key:0:12}
cache_entry "$name" make_sysroot "$name"
