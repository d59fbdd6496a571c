#!/bin/bash
# usage: vmtest/kernels/build.sh [--full] --list | DIR
#
# Builds the Kata-like guest kernels out of Debian's kernel source, each into
# DIR/NAME, as fetch.sh unpacks others: boot/vmlinuz-*, boot/config-*,
# lib/modules/* (empty: they have no modules).
#
#   kata-like       vmtest/kernels/kata-like.conf and
#                   packaging/guest-kernel/katameter.conf on an allnoconfig
#   kata-like-bare  without the latter: a guest kernel as Kata ships it
#   kata-like-full  the first with packaging/guest-kernel/katameter-full.conf;
#                   this alone with --full, else the others
#
# --list prints what goes into them, of which fetch.sh makes the cache's key.
# Needs scripts/packages.sh kernel, 4 GiB for the time of the build, and some
# ten minutes of two CPUs; a ccache is used where there is one.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../lib/cache.sh"
. "$here/../lib/archive.sh"

# bullseye no longer changes, so the version is one that stays.
suite=bullseye
package=linux-source-5.10
version=5.10.223-1

base=$here/kata-like.conf
fragment=$here/../../packaging/guest-kernel/katameter.conf
second_fragment=$here/../../packaging/guest-kernel/katameter-full.conf

configure() { # SOURCE OUT CONF...
    local source=$1 out=$2 missing
    shift 2
    mkdir "$out"
    cat "$@" >"$out/wanted"
    make -s -C "$source" O="$out" KCONFIG_ALLCONFIG="$out/wanted" allnoconfig >/dev/null 2>"$out/log" ||
        die "cannot configure: $(tail -n 5 "$out/log")"
    # What depends on something that is not there is left out without a word.
    missing=$(grep '^CONFIG_' "$out/wanted" | grep -vxFf "$out/.config" || true)
    [[ ! $missing ]] || die "not in the resulting configuration: ${missing//$'\n'/ }"
}

build() { # SOURCE NAME DIR
    local source=$1 name=$2 dir=$3 out=$1/out-$2 release compiler=gcc
    ! command -v ccache >/dev/null || compiler='ccache gcc'
    say "building the kernel $name (some minutes)"
    # Nothing of this machine in the image.
    CCACHE_NOHASHDIR=1 KBUILD_BUILD_USER=katameter KBUILD_BUILD_HOST=katameter \
        KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' \
        nice make -s -C "$source" O="$out" CC="$compiler" LOCALVERSION="-$name" \
        -j"$(nproc)" bzImage >"$out/log" 2>&1 ||
        die "cannot build $name: $(tail -n 20 "$out/log")"
    release=$(<"$out/include/config/kernel.release")
    mkdir -p "$dir/$name"/{boot,lib/modules/"$release"}
    cp "$out/arch/x86/boot/bzImage" "$dir/$name/boot/vmlinuz-$release"
    cp "$out/.config" "$dir/$name/boot/config-$release"
    # What modprobe and virtme-ng look for.
    : >"$dir/$name/lib/modules/$release/modules.dep"
    printf '%s %s\n' "$package" "$version" >"$dir/$name/package"
}

build_one() { # SOURCE NAME DIR CONF...
    configure "$1" "$1/out-$2" "${@:4}"
    build "$1" "$2" "$3"
}

build_all() { # DIR
    local dir=$1 work source
    work=$(mktemp -d "$dir/work.XXXXXX")
    archive_unpack "$suite" "$work" "$package=$version"
    source=$work/$package
    tar -xJf "$work/usr/src/$package.tar.xz" -C "$work"
    rm -r "${work:?}/usr"
    if [[ $full ]]; then
        build_one "$source" kata-like-full "$dir" "$base" "$fragment" "$second_fragment"
    else
        build_one "$source" kata-like "$dir" "$base" "$fragment"
        build_one "$source" kata-like-bare "$dir" "$base"
    fi
    rm -r "$work"
}

full=''
if [[ ${1:-} == --full ]]; then
    full=yes
    shift
fi
case ${1:-} in
--list) cat "$0" "$base" "$fragment" ${full:+"$second_fragment"} ;;
/*)
    for program in make gcc flex bison bc pahole; do
        command -v "$program" >/dev/null ||
            die "$program is missing: run scripts/packages.sh kernel"
    done
    build_all "$1"
    ;;
*) help_from_header ;;
esac
