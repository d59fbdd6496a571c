#!/bin/bash
# usage: tests/packaging/check_packages.sh BUILD
#
# Makes the Debian packages of a build and, in a clean Debian 12 root, installs
# them, runs what they brought, upgrades them to a later version, removes and
# purges them. In the end nothing may be left, and what they asked of systemd
# on the way must have been right. lintian has to find nothing.
#
# Needs root, for the root file system. That one, with the libraries that
# katameter-host depends on, is made once and kept in the cache.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../../vmtest/lib/cache.sh"
. "$here/../../vmtest/lib/archive.sh"
. "$here/debs.sh"

case ${1:---help} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac
((EUID == 0)) || die "needs root, for a root file system of its own"
build=$(cd "$1" && pwd)
suite=bookworm
work=$(mktemp -d /tmp/katameter-packages.XXXXXX)
# What is mounted below it is not ours to empty.
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

# A program in the root, which has no /proc but its own and loses it with the
# program, and no network.
inside() { # COMMAND...
    env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        unshare --mount --pid --fork --net --mount-proc="$root/proc" chroot "$root" "$@"
}

depends_of() { # DEB
    dpkg-deb --field "$1" Depends
}

# debootstrap, and on it what the packages depend on.
make_root() { # DEPENDS DIR
    local dir=$2 archive
    archive=$(archive_uri "$suite")
    debootstrap --variant=minbase "$suite" "$dir" "$archive" >"$work/debootstrap" ||
        die "debootstrap: $(tail -n 5 "$work/debootstrap")"
    [[ ! -e /etc/resolv.conf ]] || cp /etc/resolv.conf "$dir/etc/"
    chroot "$dir" apt-get -qq satisfy -y --no-install-recommends "$1" >"$work/apt" 2>&1 ||
        die "cannot install the dependencies: $(tail -n 5 "$work/apt")"
    chroot "$dir" apt-get clean
    rm -rf "${dir:?}"/var/lib/apt/lists/*
}

# Every file, link and directory that is not dpkg's own bookkeeping.
list_files() {
    (cd "$root" && find . -xdev -path ./proc -prune -o -path ./var/log -prune -o -path ./var/cache -prune -o \
        -path ./var/lib/dpkg -prune -o -path ./tmp -prune -o -printf '%y %m %p %l\n' | sort)
}

say "packing"
mkdir "$work"/{first,second}
pack "$build" "$work/first"
debs=("$work"/first/*.deb)
((${#debs[@]} == 2)) || die "not two packages: ${debs[*]}"
version=$(dpkg-deb --field "${debs[0]}" Version)
repack_later "$work/first" "$work/second"

say "what they are made of"
SOURCE_DATE_EPOCH=0 scripts/lib/sbom.py "$build" "${debs[@]}" >"$work/sbom"
python3 - "$work/sbom" <<'PYTHON'
import json, sys
with open(sys.argv[1]) as file:
    sbom = json.load(file)
known = {package["SPDXID"]: package for package in sbom["packages"]} | {"SPDXRef-DOCUMENT": {}}
relations = {(r["spdxElementId"], r["relationshipType"], r["relatedSpdxElement"]) for r in sbom["relationships"]}
for element, kind, related in relations:
    assert element in known and related in known, f"{element} {kind} {related}: not both are packages"
for wanted in (("katameter-guest", "STATIC_LINK", "libc6-dev"), ("katameter-guest", "STATIC_LINK", "libseccomp-dev"),
               ("katameter-host", "STATIC_LINK", "libbpf-dev"), ("katameter-host", "DEPENDS_ON", "libmicrohttpd12")):
    assert (f"SPDXRef-{wanted[0]}", wanted[1], f"SPDXRef-{wanted[2]}") in relations, f"{wanted} is missing"
PYTHON

say "lintian"
lintian --fail-on error,warning "${debs[@]}"

say "a clean Debian"
depends=$(depends_of "$work"/first/katameter-host_*.deb)
guest_depends=$(depends_of "$work"/first/katameter-guest_*.deb)
[[ ! $guest_depends ]] || die "katameter-guest depends on $guest_depends: it is to run where there is nothing"
key=$(printf '%s %s' "$suite" "$depends" | sha256sum)
clean=$(cache_entry "roots/$suite-${key:0:12}" make_root "$depends")
cp -a "$clean" "$root"
cp -a "$work/first" "$work/second" "$root/tmp/"
# Instead of systemd, which does not run here, what notes what it is asked.
mkdir -p "$root/run/systemd/system"
for program in systemctl deb-systemd-invoke; do
    printf '#!/bin/sh\necho "%s $*" >>/tmp/asked\n' "$program" >"$root/usr/local/bin/$program"
    chmod +x "$root/usr/local/bin/$program"
done
list_files >"$work/before"

# What systemd was asked since the last time: to read its units again, however
# often, and what is given.
expect_asked() { # WHEN EXPECTED
    grep -q 'daemon-reload$' "$root/tmp/asked" || die "$1, systemd was not notified"
    sed -i '/daemon-reload$/d; s/^deb-systemd-invoke //' "$root/tmp/asked"
    [[ $(<"$root/tmp/asked") == "$2" ]] || die "$1, systemd was asked: $(<"$root/tmp/asked"); expected: $2"
    : >"$root/tmp/asked"
}

dpkg_inside() { # ARGUMENT...
    inside dpkg "$@" >"$work/dpkg" 2>&1 || die "dpkg $*: $(<"$work/dpkg")"
    ! grep -i 'warning' "$work/dpkg" || die "dpkg $* warned"
}

is_enabled() { # TARGET PROGRAM
    [[ -L $root/etc/systemd/system/$1.wants/katameter-$2.service ]]
}

say "installing"
dpkg_inside --install "${debs[@]/#$work//tmp}"
expect_asked 'when installed' 'start katameter-host-probe.service'
is_enabled multi-user.target host-probe || die "host-probe is not enabled"
is_enabled kata-containers.target guest-probe || die "guest-probe is not enabled"

say "running what is installed"
for program in host-probe guest-probe; do
    said=$(inside "$program" --version)
    [[ $said == "$program ${version%-*}" ]] || die "$program --version says '$said'"
    for file in usr/share/man/man8/$program.8.gz usr/share/bash-completion/completions/$program; do
        [[ -s $root/$file ]] || die "there is no $file"
    done
done
inside host-probe --config /etc/katameter/host-probe.conf check-config
# There is no /sys in this root: it has to say what it misses.
status=0
said=$(inside guest-probe check) || status=$?
if ((status != 1)) || [[ $said != *'lost: everything'*'nothing works' ]]; then
    die "guest-probe check left with $status and said: $said"
fi
mkdir -p "$root/tmp/guest/usr"
inside /usr/share/katameter-guest/packaging/kata/add-to-rootfs.sh /tmp/guest \
    2>"$work/added" || die "add-to-rootfs.sh: $(<"$work/added")"
[[ -x $root/tmp/guest/usr/bin/guest-probe ]] || die "add-to-rootfs.sh has put no guest-probe there"
# The chart's links lead to files of the same package.
for file in "$root"/usr/share/katameter-host/helm/katameter/files/*; do
    [[ -L $file && -s $file ]] || die "${file#"$root"} leads nowhere"
done
# The units start what is there.
for unit in "$root"/usr/lib/systemd/system/katameter-*.service; do
    program=$(sed -n 's/^ExecStart=[-+!@:]*\([^ ]*\).*/\1/p' "$unit")
    [[ $program && -x $root/$program ]] || die "${unit##*/} starts '$program', which is not there"
done
unshare --mount --net --propagation private "$here/as_container.sh" "$root"

# What an administrator and host-probe would write.
echo 'log.level = "debug"' >>"$root/etc/katameter/host-probe.conf"
mkdir -p "$root/var/lib/katameter"
: >"$root/var/lib/katameter/overhead.json"

say "upgrading"
later=("$work"/second/*.deb)
dpkg_inside --install "${later[@]/#$work//tmp}"
expect_asked 'when upgraded' 'try-restart katameter-guest-probe.service
restart katameter-host-probe.service'
# shellcheck disable=SC2016 # dpkg-query's own
[[ $(inside dpkg-query -W -f '${Version}' katameter-host) == "$version+later" ]] || die "it is not upgraded"
is_enabled multi-user.target host-probe || die "host-probe is not enabled any more"
grep -q '^log.level' "$root/etc/katameter/host-probe.conf" || die "the upgrade has replaced the configuration"

say "removing"
dpkg_inside --remove katameter-host katameter-guest
expect_asked 'when removed' 'stop katameter-host-probe.service
stop katameter-guest-probe.service'
[[ ! -e $root/usr/bin/host-probe ]] || die "the program is still there"
[[ -e $root/var/lib/katameter/overhead.json && -e $root/etc/katameter/host-probe.conf ]] ||
    die "removed, not purged, and yet its history or configuration is gone"

say "purging"
dpkg_inside --purge katameter-host katameter-guest
list_files >"$work/after"
diff "$work/before" "$work/after" >"$work/left" || die "purged, and this differs: $(<"$work/left")"
say "installed, upgraded, removed and purged"
