#!/bin/bash
# usage: vmtest/kernels/fetch.sh VERSION
#
# Prints the directory of a kernel: boot/vmlinuz-* and lib/modules/* with
# modules.dep. VERSION is one of the first column of vmtest/kernels/table;
# without VERSION the table is printed. Debian's are downloaded once into the
# cache (KATAMETER_CACHE, else ~/.cache/katameter), the Kata-like ones are
# built once (build.sh).

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../lib/cache.sh"
. "$here/../lib/archive.sh"

table=$here/table

unpack_kernel() { # SUITE PACKAGE DIR
    local suite=$1 package=$2 dir=$3
    if [[ $package == linux-image-cloud-* ]]; then
        archive_concrete "$suite" "$package"
        package=$REPLY
    fi
    archive_unpack "$suite" "$dir" "$package"
    # Newer packages have their modules under usr/lib; on a merged-/usr system
    # that is the same place, here a link makes it so.
    if [[ ! -e $dir/lib ]]; then
        ln -s usr/lib "$dir/lib"
    fi
    rm -rf "${dir:?}"/usr/share
    # The packages carry no modules.dep: their postinst would make it.
    depmod -b "$dir" "$(basename "$dir"/lib/modules/*)"
    printf '%s\n' "$package" >"$dir/package"
}

case ${1:---help} in
-h | --help)
    help_from_header
    grep -v '^#' "$table"
    exit 0
    ;;
esac

row=$(awk -v version="$1" '$1 == version' "$table")
[[ $row ]] || die "no kernel '$1'; there are:" \
    "$(awk '!/^#/ { printf " %s", $1 }' "$table")"
PATH=$PATH:/usr/sbin:/sbin command -v depmod >/dev/null ||
    die "depmod is missing: run scripts/packages.sh vm"
PATH=$PATH:/usr/sbin:/sbin

read -r version suite package _ <<<"$row"
if [[ $package == build.sh* ]]; then
    # build.sh, or build.sh=full
    build=("$here/build.sh")
    [[ $package == build.sh ]] || build+=("--${package#*=}")
    key=$("${build[@]}" --list | sha256sum)
    printf '%s\n' "$(cache_entry "kernels/kata-like-${key:0:12}" "${build[@]}")/$version"
    exit 0
fi
cache_entry "kernels/$version" unpack_kernel "$suite" "$package"
