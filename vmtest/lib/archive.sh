# shellcheck shell=bash
# Packages of other Debian suites, from the archive this machine already uses,
# with an apt state of our own: nothing of the system is changed.

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

# apt with the private state of one suite.
archive_apt() { # SUITE TOOL [ARG...]
    local suite=$1 tool=$2 state
    shift 2
    state=$(cache_dir)/apt/$suite
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
        "$@"
}

# Brings the suite's index here, once per run of a script: an older one may
# name files that are gone. The private state has no lock of its own.
archive_update() { # SUITE
    local suite=$1 state lock uri
    [[ ${archive_updated:-} != "$suite" ]] || return 0
    uri=$(archive_uri "$suite") || exit 1
    state=$(cache_dir)/apt/$suite
    mkdir -p "$state"/{lists,cache/archives}/partial "$(cache_dir)/locks"
    exec {lock}>"$(cache_dir)/locks/apt_$suite"
    flock "$lock"
    printf 'deb [signed-by=%s] %s %s main\n' \
        /usr/share/keyrings/debian-archive-keyring.gpg \
        "$uri" "$suite" >"$state/sources.list"
    say "reading the package index of $suite"
    archive_apt "$suite" apt-get update ||
        die "cannot read the package index of Debian's $suite (see above)"
    exec {lock}>&-
    archive_updated=$suite
}

# Sets REPLY to the newest concrete package a metapackage of the suite names.
archive_concrete() { # SUITE METAPACKAGE
    archive_update "$1"
    REPLY=$(archive_apt "$1" apt-cache depends --important "$2" |
        awk '$1 == "Depends:" { print $2; exit }')
    [[ $REPLY ]] || die "$2 of Debian's $1 names no package"
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
