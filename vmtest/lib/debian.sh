# shellcheck shell=bash
# A small Debian 12 with systemd: its files, once, in the cache; and an image.

debian_make() { # DIR
    local root=$1/root uri
    uri=$(archive_uri bookworm) || exit 1
    say "making a Debian 12 with systemd (some minutes, once)"
    debootstrap --variant=minbase --include=systemd-sysv \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        bookworm "$root" "$uri" >"$1/log" 2>&1 || {
        tail -n 20 "$1/log" >&2
        die "debootstrap failed (see above)"
    }
    # Not read at any time, and most of what is there.
    rm -rf "${root:?}"/usr/share/{doc,man,locale,info} "$root"/var/{cache,lib}/apt "$root"/var/log/* "${root:?}"/boot
    # Empty: systemd makes one of its own in /run, because the root is read-only.
    : >"$root/etc/machine-id"
    cp "$root/usr/share/systemd/tmp.mount" "$root/usr/lib/systemd/system/"
}

debian_image() { # ROOT FILE
    local kib
    kib=$(du -sk "$1" | cut -f 1)
    # Room for what ext4 itself takes.
    mke2fs -q -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$1" "$2" \
        "$((kib * 5 / 4 + 16384))k" >/dev/null ||
        die "cannot make an image of $1"
}
