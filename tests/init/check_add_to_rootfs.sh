#!/bin/bash
# usage: check_add_to_rootfs.sh GUEST_PROBE
#
# packaging/kata/add-to-rootfs.sh: what it puts where, twice, and what it refuses.

set -euo pipefail
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
probe=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}
add() {
    "$top/packaging/kata/add-to-rootfs.sh" --guest-probe "$probe" "$@"
}
refuses() { # WORDS ARG...
    local words=$1 said
    shift
    ! said=$(add "$@" 2>&1) || fail "took: $*"
    [[ $said == *"$words"* && $said != *$'\n'* ]] || fail "no line with '$words', but: $said"
}
listing() { # DIR
    (cd "$1" && find . ! -type d -printf '%P %m %l\n' | sort)
}
unit=usr/lib/systemd/system/katameter-guest-probe.service
wants=etc/systemd/system/kata-containers.target.wants/katameter-guest-probe.service
hook=usr/share/oci/hooks/prestart/guest-probe

# An image with systemd.
root=$work/image
mkdir -p "$root/usr/lib/systemd" && : >"$root/usr/lib/systemd/systemd"
add "$root" 2>"$work/said" || fail "$(<"$work/said")"
grep -q 'guest_hook_path = "/usr/share/oci/hooks"' "$work/said" || fail "does not say what to configure"
expected="$wants 777 /usr/lib/systemd/system/katameter-guest-probe.service
usr/bin/guest-probe 755 
usr/lib/systemd/systemd 644 
$unit 644 
$hook 755 "
[[ $(listing "$root") == "$(sort <<<"$expected")" ]] || fail "the image has: $(listing "$root")"
[[ $root/usr/bin/guest-probe -ef $root/$hook && ! -L $root/$hook ]] || fail "the hook is no second name"
cmp -s "$root/$unit" "$top/packaging/systemd/katameter-guest-probe.service" || fail "another unit"
[[ $("$root/$hook" --version) == "guest-probe "* ]] || fail "the hook does not run"
add "$root" 2>/dev/null
[[ $(listing "$root") == "$(sort <<<"$expected")" ]] || fail "after the second time the image has: $(listing "$root")"

# What is put in a second time leaves a copy that shares its files alone.
cp -al "$root" "$work/copy"
before=$(stat -c %i "$work/copy/usr/bin/guest-probe")
add "$root" 2>/dev/null
[[ $(stat -c %i "$root/usr/bin/guest-probe") != "$before" ]] || fail "a shared file was written to"

# An initrd without systemd; and as one wants it.
mkdir -p "$work/initrd/bin" "$work/chosen/usr"
add "$work/initrd" 2>/dev/null
[[ ! -e $work/initrd/$unit && -x $work/initrd/$hook ]] || fail "an initrd has: $(listing "$work/initrd")"
add --start systemd --hooks /opt/hooks "$work/chosen" 2>/dev/null
[[ -e $work/chosen/$unit && ! -e $work/chosen/opt ]] || fail "--start systemd puts in: $(listing "$work/chosen")"
add --start hook --hooks /opt/hooks "$work/chosen" 2>/dev/null
[[ -x $work/chosen/opt/hooks/prestart/guest-probe ]] || fail "--hooks is not heeded"

# The archives that osbuilder unpacks at /, and how: rootfs.sh since 3.21, and before.
unpacks() { # TARBALL TAR-OPTION...
    local unpacked=$work/unpacked-${1##*.}
    add --tarball "$1" 2>/dev/null
    mkdir -m 0700 "$unpacked"
    tar "${@:2}" "$1" -C "$unpacked" || fail "cannot unpack $1"
    [[ $(listing "$unpacked") == "$(grep -v systemd/systemd <<<"$expected" | sort)" ]] ||
        fail "the archive $1 has: $(listing "$unpacked")"
    ! tar -tf "$1" | grep '/$' || fail "the archive $1 has directories"
}
unpacks "$work/katameter.tar.zst" --zstd -xf
unpacks "$work/katameter.tar.xz" xJpf
# Whoever made it, the guest's files are root's.
! tar --numeric-owner -tvf "$work/katameter.tar.zst" | grep -v ' 0/0 ' || fail "the archive has another's files"

refuses "no ROOTFS_DIR"
refuses "is not a directory" "$work/nowhere"
refuses "own root" /
refuses "neither usr nor bin" "$work"
refuses "not '/etc' and" /etc /usr
refuses "either" --tarball x.tar.zst "$root"
refuses "not 'x.tar.gz'" --tarball x.tar.gz
refuses "not '.tar.xz'" --tarball .tar.xz
PATH=/nowhere refuses "no zstd here" --tarball "$work/x.tar.zst"
refuses "not 'sometimes'" --start sometimes "$root"
refuses "a path in the guest" --hooks ../../etc "$root"
refuses "unknown option" --frobnicate "$root"
refuses "needs a value" "$root" --hooks
mkdir -p "$work/sly/bin" && ln -s "$work" "$work/sly/usr"
refuses "leads out of" "$work/sly"
probe=/bin/sh
refuses "not a static program" "$root"
probe=$work/none
refuses "build it" "$root"
