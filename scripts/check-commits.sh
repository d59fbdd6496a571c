#!/bin/bash
# usage: scripts/check-commits.sh [BASE]
#        scripts/check-commits.sh --message FILE
#
# Checks the messages of the commits after BASE, merges left out: a subject of
# at most 72 characters, then an empty line. BASE is by default the commit that
# brought this script. --message checks the one message in FILE, as the hook
# commit-msg of git does.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
cd "$here/.."

max_length=72

check() { # COMMIT SUBJECT SECOND-LINE
    if ((${#2} > max_length)); then
        say "$1: the subject has ${#2} characters; use at most $max_length and put the reason in the body: $2"
        return 1
    fi
    if [[ $3 ]]; then
        say "$1: put an empty line between the subject and the body: $2"
        return 1
    fi
}

# Characters are counted, not bytes.
export LC_ALL=C.UTF-8

case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
--message)
    need_value "$@"
    # git drops the comments and the diff of `git commit --verbose`.
    mapfile -t lines < <(sed '/^# -* >8 -*$/,$d; /^#/d' "$2" | sed '/./,$!d')
    [[ ${lines[0]:-} != Merge\ * ]] || exit 0
    # A fixup is squashed into its commit, whose subject it repeats.
    [[ ! ${lines[0]:-} =~ ^(fixup|squash|amend)! ]] || exit 0
    check "$2" "${lines[0]:-}" "${lines[1]:-}"
    exit
    ;;
esac

base=${1:-$(git log --diff-filter=A --format=%H -- scripts/check-commits.sh | tail -n 1)}
[[ $base ]] || exit 0
git rev-parse --quiet --verify "$base^{commit}" >/dev/null || die "there is no commit '$base' in this clone"

failed=0
checked=0
while IFS= read -r commit; do
    mapfile -t lines < <(git show --no-patch --format=%B "$commit")
    check "${commit:0:12}" "${lines[0]:-}" "${lines[1]:-}" || failed=$((failed + 1))
    checked=$((checked + 1))
done < <(git rev-list --no-merges "$base..HEAD")
((failed == 0)) || die "$failed of $checked commit messages have to be changed: git rebase --interactive $base"
