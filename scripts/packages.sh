#!/bin/bash
# usage: scripts/packages.sh GROUP...
#
# Installs the Debian 12 packages of the groups that are not there yet, and
# says which. Groups:
#   build   compiles guest-probe and host-probe
#   test    compiles and runs the tests
#   vm      boots kernels and sandboxes (vmtest/)
#   kernel  compiles the Kata-like guest kernel (vmtest/kernels/build.sh)
#   arm64   compiles them for arm64 on another machine
#   vm-arm64 boots kernels of arm64
#   package makes the Debian packages and checks them
#   image   makes the container image, and runs it in containerd
#   schemas fetches those of the Prometheus Operator
#   browser looks at the page that host-probe serves
#   demo    what scripts/demo.sh needs besides
#   bench   the baselines that bench/run.sh measures beside, and its plots
#   lint    formatting and static checks
#   hooks   checks before each commit (.pre-commit-config.yaml)
# Does nothing, quickly, when all is there. Runs apt-get by sudo if you are not
# root. --list prints the packages and installs nothing.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"

# The one list of what the project needs. promtool, newer virtme-ng and the
# like, which should not or cannot be installed, come by vmtest/tools/fetch.sh.
declare -A packages=(
    [build]='cmake ninja-build g++ clang llvm bpftool
        libbpf-dev libelf-dev zlib1g-dev libseccomp-dev
        libspdlog-dev libfmt-dev libcli11-dev libexpected-dev
        libprotozero-dev nlohmann-json3-dev prometheus-cpp-dev
        libmicrohttpd-dev libgnutls28-dev libyaml-cpp-dev libcrypt-dev libgrpc++-dev
        libsystemd-dev libcurl4-openssl-dev libisal-dev'
    [test]='catch2 git protobuf-compiler libprotobuf-dev strace curl openssl python3 procps
        containerd runc crun busybox-static python3-yaml valgrind systemd binutils
        debian-archive-keyring man-db groff-base golang-go
        golang-github-masterminds-sprig-dev golang-github-ghodss-yaml-dev
        python3-kubernetes python3-jsonschema python3-seccomp xz-utils zstd'
    [vm]='qemu-system-x86 qemu-system-common busybox-static kmod cpio
        xz-utils file debootstrap e2fsprogs xfsprogs python3 python3-argcomplete python3-pkg-resources
        iproute2 debian-archive-keyring'
    [kernel]='gcc make flex bison bc pahole libelf-dev xz-utils perl debian-archive-keyring'
    [arm64]='binutils-aarch64-linux-gnu debian-archive-keyring'
    [vm-arm64]='qemu-system-arm binutils-aarch64-linux-gnu kmod cpio xz-utils debian-archive-keyring'
    [package]='dpkg-dev lintian debootstrap python3'
    [image]='buildah debootstrap containernetworking-plugins'
    [schemas]='npm'
    [browser]='chromium fonts-dejavu-core libnss3-tools'
    [demo]='curl'
    [fuzz]='libclang-rt-14-dev'
    [bench]='libbpf-tools bpftool gnuplot-nox python3 gcc libc6-dev'
    [lint]='clang-format clang-tidy shellcheck git python3'
    [hooks]='pre-commit clang-format shellcheck git'
)

list=''
wanted=()
for group in "$@"; do
    case $group in
    -h | --help)
        help_from_header
        exit 0
        ;;
    --list) list=yes ;;
    *)
        [[ ${packages[$group]:-} ]] ||
            die "no group '$group'; there are: ${!packages[*]}"
        read -r -a group_packages <<<"${packages[$group]//$'\n'/ }"
        wanted+=("${group_packages[@]}")
        ;;
    esac
done
((${#wanted[@]})) || die "name a group (see --help)"
if [[ $list ]]; then
    printf '%s\n' "${wanted[@]}" | sort -u
    exit 0
fi

command -v apt-get >/dev/null ||
    die "this is not a Debian; install what these Debian 12 packages provide: ${wanted[*]}"

# A node.js that is not Debian's brings npm, and refuses Debian's beside it.
if command -v npm >/dev/null; then
    for i in "${!wanted[@]}"; do
        [[ ${wanted[i]} != npm ]] || unset "wanted[i]"
    done
fi

# dpkg-query complains about names it has never heard of: those are missing.
missing=$(
    {
        dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null ||
            (($? == 1)) || die "dpkg-query cannot read the list of packages"
    } | awk -v wanted="${wanted[*]}" '
        $2 == "installed" { there[$1] }
        END {
            count = split(wanted, names, " ")
            for (i = 1; i <= count; i++)
                if (!(names[i] in there) && !(names[i] in said)) {
                    printf "%s ", names[i]
                    said[names[i]]
                }
        }'
)
[[ $missing ]] || exit 0
read -r -a missing <<<"$missing"
say "installing ${#missing[@]} of ${#wanted[@]} packages: ${missing[*]}"

as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null ||
        die "run as root: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# One line per package on the way, everything in the log.
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null 2>&1 | tee -a "$log" |
        sed -u -n -e 's/^Setting up \([^ ]*\).*/    \1/p' \
            -e '/^Need to get /s/^/    /p' -e '/^[EW]: /p' >&2
}

# Container images come without a package index; with an old one the first
# attempt fails.
if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
    say "reading apt's package index"
    apt update || die "apt-get update failed (see above)"
fi
if ! apt install --no-install-recommends "${missing[@]}"; then
    say "refreshing apt's package index, and once more"
    apt update || die "apt-get update failed (see above)"
    apt install --no-install-recommends "${missing[@]}" || {
        tail -n 20 "$log" >&2
        die "apt-get install failed (see above)"
    }
fi
