# shellcheck shell=bash
# The cache: what was downloaded once serves every clone of this user.
#
# An entry is a directory. It appears under its name by a rename when it is
# complete, so an interrupted download never counts as done, and a lock makes
# of two concurrent makers one maker and one waiter.

cache_dir() {
    printf '%s' "${KATAMETER_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/katameter}"
}

# cache_entry NAME MAKER [ARG...]: prints the path of the entry NAME. If it is
# not there, MAKER is called with ARGs and, last, a new empty directory to fill.
cache_entry() {
    local name=$1 path temp lock status
    shift
    path=$(cache_dir)/$name
    if [[ ! -d $path ]]; then
        mkdir -p "${path%/*}" "$(cache_dir)/locks"
        exec {lock}>"$(cache_dir)/locks/${name//\//_}"
        flock "$lock"
        if [[ ! -d $path ]]; then
            temp=$path.part
            # A leftover of an interrupted run; nobody else works on it, for
            # the lock is ours.
            rm -rf --one-file-system "$temp"
            mkdir "$temp"
            # Makers print progress; stdout carries only the path. The caller
            # may be a command substitution, where set -e is off: hence the
            # explicit status.
            (
                set -e
                "$@" "$temp"
            ) >&2
            status=$?
            if ((status != 0)); then
                # Whoever tries again in this shell would wait for itself.
                exec {lock}>&-
                return 1
            fi
            mv "$temp" "$path"
        fi
        exec {lock}>&-
    fi
    printf '%s\n' "$path"
}
