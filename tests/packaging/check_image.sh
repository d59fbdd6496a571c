#!/bin/bash
# usage: tests/packaging/check_image.sh ARCHIVE
#
# Builds packaging/container/Containerfile with buildah, from the source, as a
# user does; but what it is FROM is made by debootstrap, for a registry may be
# out of reach. The image's command must run, and what is in the image must
# serve a scrape with the rights that the DaemonSet gives it. Writes it to
# ARCHIVE, as Docker saves images, under the name that the chart has for it.
#
# Needs root, 4 GiB in TMPDIR (default /var/tmp), and compiles all that is
# shipped: some ten minutes of two CPUs.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
top=$here/../..
. "$here/../../scripts/lib/say.sh"
. "$here/../../vmtest/lib/cache.sh"
. "$here/../../vmtest/lib/archive.sh"

case ${1:---help} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac
archive=$1
((EUID == 0)) || die "needs root, for root file systems of its own"
command -v buildah >/dev/null || die "buildah is missing: run scripts/packages.sh image"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/katameter-image.XXXXXX")

# Nothing of it is where other images of this machine are.
image_tool=(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs)
build=''
finish() {
    local status=$?
    trap '' INT TERM HUP
    # It may not end when what runs in it was ended; killed, it has no status that says anything.
    if [[ $build ]] && kill -KILL "$build" 2>/dev/null; then
        wait "$build" 2>/dev/null || :
    fi
    # What is mounted below it is not ours to empty.
    rm -rf --one-file-system "$work" || { say "left behind: $work" && status=1; }
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

make_base() { # DIR
    local archive
    archive=$(archive_uri bookworm)
    debootstrap --variant=minbase bookworm "$1/root" "$archive" >"$work/debootstrap" ||
        die "debootstrap: $(tail -n 5 "$work/debootstrap")"
}

say "what the recipe is made from"
base=$(cache_entry roots/bookworm-minbase make_base)
mapfile -t bases < <(awk '$1 == "FROM" { print ($2 ~ /^--/ ? $3 : $2) }' "$top/packaging/container/Containerfile" | sort -u)
container=$("${image_tool[@]}" from scratch)
"${image_tool[@]}" add --quiet "$container" "$base/root" / >/dev/null
for name in "${bases[@]}"; do
    "${image_tool[@]}" commit --quiet "$container" "localhost/$name" >/dev/null
done
"${image_tool[@]}" rm "$container" >/dev/null

say "building the image (some ten minutes)"
"${image_tool[@]}" build --isolation chroot --pull-never --layers=false --tag katameter-host:test \
    --file "$top/packaging/container/Containerfile" "$top" >"$work/build.log" 2>&1 &
build=$!
wait "$build" || die "cannot build: $(tail -n 30 "$work/build.log")"
build=''

say "running it"
container=$("${image_tool[@]}" from --pull-never katameter-host:test)
said=$("${image_tool[@]}" run --isolation chroot "$container" -- /usr/bin/host-probe --version)
[[ $said == "host-probe "[0-9]* ]] || die "host-probe --version says '$said'"
settings=$("${image_tool[@]}" inspect --format '{{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}} {{.OCIv1.Config.User}}' "$container")
[[ $settings == '[/usr/bin/host-probe] [run --web.listen-address=:9717] 0:0' ]] ||
    die "it starts '$settings'"
root=$("${image_tool[@]}" mount "$container")
unshare --mount --net --pid --fork --mount-proc --propagation private "$here/as_container.sh" "$root"
rm -f "$archive"
"${image_tool[@]}" push --quiet katameter-host:test "docker-archive:$archive:katameter-host:${said#* }" >/dev/null
[[ ! -e $root/src && ! -e $root/usr/bin/g++ ]] || die "what it was built with is in the image"
say "$said, in an image of $(du -sm "$root" | cut -f 1) MiB"
