#!/bin/bash
# usage: vmtest/kernels/build.sh NAME DIR
#        vmtest/kernels/build.sh --list NAME
#        vmtest/kernels/build.sh --check SERIES FRAGMENTS...
#
# Builds a Kata-like guest kernel out of Debian's kernel sources into DIR, as
# fetch.sh unpacks others: boot/vmlinuz-*, boot/config-*, lib/modules/* (empty:
# it has no modules). NAME, with SERIES 5.10 or 6.18:
#
#   kata-like        of 5.10: vmtest/kernels/kata-like.conf, kata-like-5.10.conf
#                    and packaging/guest-kernel/katameter-5.10.conf on an
#                    allnoconfig
#   kata-like-6.18   the same of 6.18, with katameter.conf
#   NAME-bare        without that fragment: a guest kernel as Kata ships it
#   NAME-full        with packaging/guest-kernel/katameter-full.conf besides
#
# --list prints what goes into it, of which fetch.sh makes the cache's key.
# --check compiles nothing: it configures the series once for each of FRAGMENTS,
# the names of one or more files of packaging/guest-kernel, as Kata's build
# does, and prints which of their lines the result has not; 1 if any.
# Needs scripts/packages.sh kernel, 4 GiB for the time of the build, and some
# ten minutes of two CPUs; a ccache is used where there is one.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../lib/cache.sh"
. "$here/../lib/archive.sh"

fragments=$(cd "$here/../../packaging/guest-kernel" && pwd)

# Sets series and confs.
of_name() { # NAME
    local fragment=katameter.conf
    case $1 in
    kata-like | kata-like-bare | kata-like-full) series=5.10 fragment=katameter-5.10.conf ;;
    kata-like-6.18 | kata-like-6.18-bare | kata-like-6.18-full) series=6.18 ;;
    *) die "no kernel '$1' to build (see --help)" ;;
    esac
    confs=("$here"/kata-like{,-$series}.conf)
    [[ $1 == *-bare ]] || confs+=("$fragments/$fragment")
    [[ $1 != *-full ]] || confs+=("$fragments/katameter-full.conf")
}

# Unpacks the sources of a series below DIR; sets REPLY to where they are.
unpack_source() { # SERIES DIR
    case $1 in
    5.10)
        # bullseye no longer changes, so the version is one that stays.
        archive_unpack bullseye "$2" linux-source-5.10=5.10.223-1
        REPLY=$2/usr/src/linux-source-5.10.tar.xz
        ;;
    6.18)
        archive_source trixie-backports "$2" linux 6.18
        REPLY=$2/$REPLY
        ;;
    *) die "no sources of '$1' (see --help)" ;;
    esac
    mkdir "$2/source"
    tar -xJf "$REPLY" -C "$2/source" --strip-components 1
    rm "$REPLY"
    REPLY=$2/source
}

# Sets REPLY to the lines of the CONFs that are not in the resulting
# configuration: what depends on something that is not there is left out
# without a word.
configure() { # SOURCE OUT CONF...
    local source=$1 out=$2
    shift 2
    mkdir "$out"
    cat "$@" >"$out/wanted"
    make -s -C "$source" O="$out" KCONFIG_ALLCONFIG="$out/wanted" allnoconfig >/dev/null 2>"$out/log" ||
        die "cannot configure: $(tail -n 5 "$out/log")"
    REPLY=$(grep '^CONFIG_' "$out/wanted" | grep -vxFf "$out/.config" | sort -u || true)
    REPLY=${REPLY//$'\n'/ }
}

build() { # NAME DIR
    local name=$1 dir=$2 work source out release compiler=gcc
    of_name "$name"
    work=$(mktemp -d "$dir/work.XXXXXX")
    unpack_source "$series" "$work"
    source=$REPLY out=$REPLY/out
    configure "$source" "$out" "${confs[@]}"
    [[ ! $REPLY ]] || die "not in the resulting configuration: $REPLY"
    ! command -v ccache >/dev/null || compiler='ccache gcc'
    say "building the kernel $name (some minutes)"
    # Nothing of this machine in the image.
    CCACHE_NOHASHDIR=1 KBUILD_BUILD_USER=katameter KBUILD_BUILD_HOST=katameter \
        KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' \
        nice make -s -C "$source" O="$out" CC="$compiler" LOCALVERSION="-$name" \
        -j"$(nproc)" bzImage >"$out/log" 2>&1 ||
        die "cannot build $name: $(tail -n 20 "$out/log")"
    release=$(<"$out/include/config/kernel.release")
    mkdir -p "$dir"/{boot,lib/modules/"$release"}
    cp "$out/arch/x86/boot/bzImage" "$dir/boot/vmlinuz-$release"
    cp "$out/.config" "$dir/boot/config-$release"
    # What modprobe and virtme-ng look for.
    : >"$dir/lib/modules/$release/modules.dep"
    rm -r "$work"
}

check() { # SERIES FRAGMENTS...
    local series=$1 source names files status=0 count=0
    shift
    # Not local: the trap runs when this is left.
    work=$(mktemp -d)
    trap 'rm -r "$work"' EXIT
    unpack_source "$series" "$work"
    source=$REPLY
    for names in "$@"; do
        read -r -a files <<<"$names"
        configure "$source" "$source/out$((++count))" "$here"/kata-like{,-"$series"}.conf "${files[@]/#/$fragments/}"
        printf '%s, %s: %s\n' "$series" "$names" "${REPLY:-all there}"
        [[ ! $REPLY ]] || status=1
    done
    return "$status"
}

need_programs() {
    local program
    for program in make gcc flex bison bc pahole; do
        command -v "$program" >/dev/null ||
            die "$program is missing: run scripts/packages.sh kernel"
    done
}

case ${1:-} in
--list)
    of_name "${2:-}"
    cat "$0" "${confs[@]}"
    ;;
--check)
    (($# > 2)) || die "--check SERIES FRAGMENTS... (see --help)"
    need_programs
    check "${@:2}"
    ;;
kata-like*)
    [[ ${2:-} == /* ]] || die "DIR is a full path, not '${2:-}' (see --help)"
    need_programs
    build "$1" "$2"
    ;;
*) help_from_header ;;
esac
