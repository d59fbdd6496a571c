# shellcheck shell=bash
# How every script here talks: progress and errors on stderr, results on stdout.

say() {
    printf '%s: %s\n' "${SAY_NAME:-${0##*/}}" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Ends the script if the option $1 has no value $2.
need_value() {
    (($# >= 2)) || die "$1 needs a value (see --help)"
}

# Prints the comment block at the top of the calling script, which is its help.
help_from_header() {
    sed -n '2,/^$/ { /^#/!q; s/^# \{0,1\}//; p }' "$0"
}
