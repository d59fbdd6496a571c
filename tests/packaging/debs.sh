# shellcheck shell=bash
# The Debian packages of a build, for tests.

# pack BUILD DIR: both into DIR, as they are shipped, but quicker compressed. CPack's own files go to DIR/_CPack_Packages.
pack() {
    (cd "$1" && cpack -G DEB -B "$2" -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip) >"$2.log" 2>&1 ||
        die "cannot pack: $(tail -n 20 "$2.log")"
    rm -rf "$2/_CPack_Packages"
}

# repack DEB VERSION DIR: the same package under another version.
repack() {
    local unpacked
    unpacked=$(mktemp -d)
    dpkg-deb --raw-extract "$1" "$unpacked/root"
    sed -i "s/^Version: .*/Version: $2/" "$unpacked/root/DEBIAN/control"
    dpkg-deb -Znone --root-owner-group --build "$unpacked/root" "$3" >/dev/null
    rm -r "$unpacked"
}

# repack_later FROM TO: all packages of the directory FROM in TO, as "<version>+later".
repack_later() {
    local deb
    for deb in "$1"/*.deb; do
        repack "$deb" "$(dpkg-deb --field "$deb" Version)+later" "$2"
    done
}
