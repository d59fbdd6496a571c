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

# Packages of which the archive has kept the files and the index has not:
# PACKAGE SHA256 PATH.
gone=$here/gone

# An image of 7.0 or later is empty: what it depends on has the files.
unpack_parts() { # SUITE PACKAGE DIR
    local suite=$1 dir=$3 part sum path parts=()
    while read -r part; do
        read -r sum path < <(awk -v package="$part" '$1 == package { print $2, $3 }' "$gone") || :
        if [[ $path ]]; then
            archive_pool "$suite" "$dir" "$path" "$sum"
            dpkg-deb -x "$dir/${path##*/}" "$dir" || die "cannot unpack ${path##*/}"
            rm "$dir/${path##*/}"
        else
            parts+=("$part")
        fi
    done < <(archive_apt "$suite" apt-cache depends --important "$2" |
        sed -nE 's/^ *Depends: <?(linux-(base-[0-9]|binary-|modules-)[^>]*)>?$/\1/p')
    ((!${#parts[@]})) || archive_unpack "$suite" "$dir" "${parts[@]}"
}

unpack_kernel() { # SUITE PACKAGE DIR
    local suite=$1 package=$2 dir=$3 version
    case $package in
    *\**)
        archive_newest "$suite" "$package"
        package=$REPLY
        ;;
    linux-image-cloud-amd64 | linux-image-amd64)
        archive_concrete "$suite" "$package"
        package=$REPLY
        ;;
    esac
    archive_unpack "$suite" "$dir" "$package"
    [[ -e $dir/lib/modules || -e $dir/usr/lib/modules ]] || unpack_parts "$suite" "$package" "$dir"
    # Newer packages have their modules under usr/lib; on a merged-/usr system
    # that is the same place, here a link makes it so.
    if [[ ! -e $dir/lib ]]; then
        ln -s usr/lib "$dir/lib"
    fi
    version=$(basename "$dir"/lib/modules/*)
    # Since 7.3 the kernel itself is beside its modules.
    if [[ ! -e $dir/boot ]]; then
        mkdir "$dir/boot"
        mv "$dir/lib/modules/$version/vmlinuz" "$dir/boot/vmlinuz-$version"
    fi
    rm -rf "${dir:?}"/usr/share
    # The packages carry no modules.dep: their postinst would make it.
    depmod -b "$dir" "$version"
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
    key=$("$here/build.sh" --list "$version" | sha256sum)
    cache_entry "kernels/$version-${key:0:12}" "$here/build.sh" "$version"
    exit 0
fi
cache_entry "kernels/$version" unpack_kernel "$suite" "$package"
