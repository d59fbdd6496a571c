#!/bin/bash
# usage: packaging/kata/add-to-rootfs.sh [OPTION...] ROOTFS_DIR
#        packaging/kata/add-to-rootfs.sh [OPTION...] --tarball FILE
#
# Puts guest-probe into the root file system of a Kata guest, as rootfs.sh of
# Kata's osbuilder leaves it: before image_builder.sh or initrd_builder.sh. Or,
# with --tarball, makes the archive that rootfs.sh takes as GUEST_HOOKS_TARBALL.
#
#   --tarball FILE      FILE.tar.zst, which is what rootfs.sh of Kata 3.21 and
#                       later unpacks, or FILE.tar.xz for 3.16 to 3.20
#   --guest-probe PATH  the program (default build/release/bin/guest-probe,
#                       build/bin/guest-probe, or that of katameter-guest,
#                       /usr/bin/guest-probe); what is put in is stripped
#   --hooks DIR         where the guest will look for hooks, which is what
#                       guest_hook_path of Kata's configuration has to be
#                       (default /usr/share/oci/hooks)
#   --start HOW         systemd: a unit that kata-containers.target starts;
#                       hook: for an agent that is init; both: the later one
#                       finds that the other has started it; none: only the
#                       program (default both; hook where there is no systemd)
#
# A confidential guest needs --start systemd, and must not have guest_hook_path:
# its policy refuses that (docs/confidential-guests.md).
#
# Running it again replaces the files. Exit status: 0, or 1 with the reason.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"

root='' tarball='' probe='' hooks=/usr/share/oci/hooks start=''
while (($#)); do
    case $1 in
    --tarball) need_value "$@" && tarball=$2 && shift ;;
    --guest-probe) need_value "$@" && probe=$2 && shift ;;
    --hooks) need_value "$@" && hooks=$2 && shift ;;
    --start) need_value "$@" && start=$2 && shift ;;
    -h | --help) help_from_header && exit 0 ;;
    -*) die "unknown option '$1' (see --help)" ;;
    *)
        [[ ! $root ]] || die "one ROOTFS_DIR, not '$root' and '$1' (see --help)"
        [[ $1 ]] || die "ROOTFS_DIR is empty"
        root=$1
        ;;
    esac
    shift
done
[[ $root || $tarball ]] || die "no ROOTFS_DIR (see --help)"
[[ ! $root || ! $tarball ]] || die "either ROOTFS_DIR or --tarball (see --help)"
case $tarball in
'') ;;
?*.tar.zst) compressor=zstd ;;
?*.tar.xz) compressor=xz ;;
*) die "rootfs.sh takes a .tar.zst (Kata 3.21 and later) or a .tar.xz (3.16 to 3.20), not '$tarball'" ;;
esac
[[ ! $tarball ]] || command -v "$compressor" >/dev/null || die "no $compressor here, which $tarball needs: install it"
[[ $start =~ ^(systemd|hook|both|none|)$ ]] || die "--start is systemd, hook, both or none, not '$start'"
[[ $hooks == /?* && $hooks/ != */../* ]] || die "--hooks is a path in the guest, from / on, not '$hooks'"
unit=$here/../systemd/katameter-guest-probe.service

if [[ ! $probe ]]; then
    for probe in "$here"/../../build/{release/,}bin/guest-probe /usr/bin/guest-probe; do
        [[ ! -x $probe ]] || break
    done
fi
[[ -f $probe && -x $probe ]] || die "no program at $probe: build it (scripts/build.sh release), or give --guest-probe PATH"
# The loader's name is in the first page of a program that needs one.
if head -c 4096 "$probe" | grep -aqE '/lib[^[:space:]]*/ld-'; then
    die "$probe is not a static program: the guest does not have its libraries"
fi

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

if [[ $root ]]; then
    [[ -d $root ]] || die "$root is not a directory"
    root=$(cd "$root" && pwd -P)
    [[ $root != / ]] || die "that is this machine's own root"
    [[ -d $root/usr || -d $root/bin ]] || die "$root is not a root file system: it has neither usr nor bin"
    [[ -w $root ]] || die "$root cannot be written: run as its owner, most likely root"
    if [[ ! $start ]]; then
        start=hook
        [[ ! -e $root/usr/lib/systemd/systemd && ! -e $root/lib/systemd/systemd ]] || start=both
    fi
else
    root=$stage/root
    mkdir "$root"
    start=${start:-both}
fi

# The directory for PATH, whose links may not lead out of the root.
make_parent() { # PATH
    local parent=$root/${1%/*}
    [[ $(realpath -m "$parent")/ == "$root"/* ]] ||
        die "${1%/*} leads out of $root, to $(realpath -m "$parent")"
    mkdir -p "$parent" || die "cannot make $parent"
}

added=()
put() { # MODE FILE PATH
    make_parent "$3"
    install -m "$1" "$2" "$root/$3" || die "cannot write $root/$3"
    added+=("$3")
}

program=$stage/guest-probe
if ! command -v strip >/dev/null; then
    say "no strip here (package binutils): the program goes in as it is"
    program=$probe
else
    strip -o "$program" "$probe" || die "cannot strip $probe"
fi
put 0755 "$program" usr/bin/guest-probe

if [[ $start == both || $start == systemd ]]; then
    put 0644 "$unit" usr/lib/systemd/system/katameter-guest-probe.service
    wants=etc/systemd/system/kata-containers.target.wants/katameter-guest-probe.service
    make_parent "$wants"
    ln -sfn /usr/lib/systemd/system/katameter-guest-probe.service "$root/$wants"
    added+=("$wants")
fi

# The agent calls regular files only, no links; a second name takes no space.
if [[ $start == both || $start == hook ]]; then
    hook=${hooks#/}
    hook=${hook%/}/prestart/guest-probe
    make_parent "$hook"
    ln -f "$root/usr/bin/guest-probe" "$root/$hook" 2>/dev/null || install -m 0755 "$program" "$root/$hook" ||
        die "cannot write $root/$hook"
    added+=("$hook")
fi

if [[ $tarball ]]; then
    # Files only, so that no directory of the root gets another mode.
    tar --create --use-compress-program "$compressor" --file "$tarball" --directory "$root" \
        --owner=0 --group=0 --numeric-owner -- "${added[@]}" || die "cannot make $tarball (see above)"
    say "$tarball has: ${added[*]}"
else
    say "$root has: ${added[*]}"
fi
[[ $start != both && $start != hook ]] ||
    say "for an agent that is init, Kata's configuration.toml needs: guest_hook_path = \"$hooks\""
