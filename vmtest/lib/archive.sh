# shellcheck shell=bash
# Packages of other Debian suites, from the archive this machine already uses,
# with an apt state of our own: nothing of the system is changed.
#
# A SUITE is its name (bookworm), or several that are one (bookworm+bookworm-security); with :ARCHITECTURE at its end
# (bookworm:arm64) it has the packages of that architecture, which this machine need not be able to run.

# The addresses come from apt itself, which has read both the .list and the
# .sources form. KATAMETER_ARCHIVE and KATAMETER_ARCHIVE_SECURITY override.
archive_configured() { # SUITE
    local uri
    uri=$(apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
        'Created-By: Packages' |
        awk -v suite="$1" '$2 == suite && $3 == "main" { print $1; exit }')
    # Before the first apt-get update that knows nothing; this does, but not
    # the components, by which third-party archives can be told apart.
    [[ $uri ]] || uri=$(apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/$1/InRelease'.*|\1|p" | head -n 1)
    printf '%s' "$uri"
}

archive_uri() { # SUITE
    local codename main security
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    main=${KATAMETER_ARCHIVE:-$(archive_configured "$codename")}
    [[ $main ]] || main=$(archive_configured stable)
    [[ $main ]] || die "no Debian archive for '$codename' in apt's sources;" \
        "set KATAMETER_ARCHIVE to its address"
    case $1 in
    *-security)
        security=${KATAMETER_ARCHIVE_SECURITY:-$(archive_configured "$codename-security")}
        # A minimal system lists the main archive only; its security suites
        # live beside it under a name of their own.
        main=${main%/}
        printf '%s' "${security:-${main%/*}/debian-security}"
        ;;
    *) printf '%s' "$main" ;;
    esac
}

# apt with the private state of one suite; SUITE/source has that of its sources.
archive_apt() { # SUITE TOOL [ARG...]
    local suite=$1 tool=$2 state architecture=()
    shift 2
    state=$(cache_dir)/apt/$suite
    [[ $suite != *:* ]] || architecture=(-o APT::Architecture="${suite#*:}" -o APT::Architectures="${suite#*:}")
    "$tool" -qq \
        -o Dir::Etc::sourcelist="$state/sources.list" \
        -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$state/lists" \
        -o Dir::State::status=/dev/null \
        -o Dir::Cache="$state/cache" \
        -o APT::Sandbox::User= \
        -o Acquire::Languages=none \
        -o Acquire::Retries=3 \
        -o Acquire::Check-Valid-Until=false \
        "${architecture[@]}" "$@"
}

# Brings the suite's index here, once per run of a script: an older one may
# name files that are gone. The private state has no lock of its own.
archive_update() { # SUITE | SUITE/source
    local suite=${1%/source} kind=deb state lock uri name names
    [[ ${archive_updated:-} != "$1" ]] || return 0
    [[ $1 == "$suite" ]] || kind='deb-src'
    state=$(cache_dir)/apt/$1
    mkdir -p "$state"/{lists,cache/archives}/partial "$(cache_dir)/locks"
    exec {lock}>"$(cache_dir)/locks/apt_${1//\//_}"
    flock "$lock"
    IFS=+ read -r -a names <<<"${suite%:*}"
    for name in "${names[@]}"; do
        uri=$(archive_uri "$name") || exit 1
        printf '%s [signed-by=%s] %s %s main\n' "$kind" \
            /usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$name"
    done >"$state/sources.list"
    say "reading the package index of $suite"
    archive_apt "$1" apt-get update ||
        die "cannot read the package index of Debian's $suite (see above)"
    exec {lock}>&-
    archive_updated=$1
}

# Sets REPLY to the newest concrete package a metapackage of the suite names.
archive_concrete() { # SUITE METAPACKAGE
    archive_update "$1"
    REPLY=$(archive_apt "$1" apt-cache depends --important "$2" |
        awk '$1 == "Depends:" { print $2; exit }')
    [[ $REPLY ]] || die "$2 of Debian's $1 names no package"
}

# Sets REPLY to the newest package of the suite whose name matches a pattern:
# for packages with their version in the name, of which one goes when the next
# one comes.
archive_newest() { # SUITE PATTERN
    local name names=()
    archive_update "$1"
    while read -r name; do
        # shellcheck disable=SC2053 # a pattern
        [[ $name != $2 ]] || names+=("$name")
    done < <(archive_apt "$1" apt-cache pkgnames "${2%%\**}")
    ((${#names[@]})) || die "Debian's $1 has no $2"
    REPLY=$(printf '%s\n' "${names[@]}" | sort -V | tail -n 1)
}

# Downloads the sources of the newest version of a series as they were released,
# without Debian's patches, to DIR and sets REPLY to the archive's name there.
archive_source() { # SUITE DIR PACKAGE SERIES
    local suite=$1/source version files
    archive_update "$suite"
    version=$(archive_apt "$suite" apt-cache showsrc "$3" |
        awk -v series="$4." '$1 == "Version:" && index($2, series) == 1 { print $2 }' | sort -V | tail -n 1)
    [[ $version ]] || die "Debian's $1 has no source package $3 of version $4"
    say "downloading the sources of $3 $version from Debian's $1"
    (cd "$2" && archive_apt "$suite" apt-get source --download-only --tar-only "$3=$version") ||
        die "cannot download the sources of $3 $version from Debian's $1 (see above)"
    files=("$2/$3_$4".*.orig.tar.xz)
    [[ -e ${files[0]} ]] || die "the sources of $3 $version are not one .orig.tar.xz"
    REPLY=${files[0]##*/}
}

# Downloads a file of the archive that no index names any longer, and of which
# for that reason the checksum has to be known, to DIR.
archive_pool() { # SUITE DIR PATH SHA256
    local uri
    uri=$(archive_uri "${1%:*}") || exit 1
    say "downloading ${3##*/} from Debian's pool"
    archive_apt "$1" /usr/lib/apt/apt-helper download-file "${uri%/}/$3" "$2/${3##*/}" "SHA256:$4" >&2 ||
        die "cannot download ${3##*/} from Debian's pool (see above)"
}

# archive_unpack SUITE DIR PACKAGE...: downloads the packages and unpacks all
# of them into DIR. Dependencies are the caller's business.
archive_unpack() {
    local suite=$1 dir=$2 debs deb
    shift 2
    archive_update "$suite"
    debs=$(mktemp -d "$dir/debs.XXXXXX")
    say "downloading $* from Debian's $suite"
    (cd "$debs" && archive_apt "$suite" apt-get download "$@") ||
        die "cannot download $* from Debian's $suite (see above)"
    for deb in "$debs"/*.deb; do
        dpkg-deb -x "$deb" "$dir" || die "cannot unpack ${deb##*/}"
    done
    rm -r "$debs"
}

# archive_unpack_whole SUITE DIR PLACE PACKAGE...: the same with all that the packages depend on, as files that are only
# looked at: links stay in DIR, no script is run. DIR/var/lib/dpkg (DPKG_ADMINDIR) says which package has which file, for
# dpkg-query and dpkg-shlibdeps, by the path that it has once DIR is PLACE.
archive_unpack_whole() {
    local suite=$1 dir=$2 place=$3 database=$2/var/lib/dpkg debs deb control name file link
    shift 3
    archive_update "$suite"
    mkdir -p "$dir/debs/partial" "$database/info"
    debs=$dir/debs
    say "downloading $* from Debian's $suite, and what they depend on"
    archive_apt "$suite" apt-get install --download-only --no-install-recommends --yes \
        -o Dir::Cache::archives="$debs" "$@" >&2 ||
        die "cannot download $* from Debian's $suite (see above)"
    for deb in "$debs"/*.deb; do
        control=${deb%.deb}
        { dpkg-deb -x "$deb" "$dir" && dpkg-deb -e "$deb" "$control"; } || die "cannot unpack ${deb##*/}"
        # shellcheck disable=SC2016 # dpkg-deb's own
        name=$(dpkg-deb --showformat '${Package}:${Architecture}' --show "$deb")
        grep -qx 'Multi-Arch: same' "$control/control" || name=${name%:*}
        dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -n "s|^\.\(/.*[^/]\)/\?\$|$place\1|p" >"$database/info/$name.list"
        for file in symbols shlibs; do
            [[ ! -e $control/$file ]] || cp "$control/$file" "$database/info/$name.$file"
        done
        sed '/^Package:/a Status: install ok installed' "$control/control" >>"$database/status"
        echo >>"$database/status"
    done
    rm -r "$debs"
    printf '1\n' >"$database/info/format"
    find "$dir" -type l -lname '/*' -printf '%p\n' | while read -r link; do
        ln -sfnr "$dir$(readlink "$link")" "$link"
    done
}
