#!/bin/bash
# usage: bench/instructions/check.sh NAME PROGRAM
#
# Counts by callgrind the instructions that PROGRAM executes in measured_part(),
# and compares with NAME's line in bench/instructions/baseline: more than 5 %
# above fails. The count is the same on each machine with the same compiler and
# the same libraries (Debian 12's); valgrind shows all of them one CPU.
#
# Where a change is meant to cost what it costs, or has made it cheaper, write
# the count that is printed here into the baseline, in the same commit.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac
(($# == 2)) || die "NAME and PROGRAM are wanted (see --help)"
name=$1 program=$2 tolerance=5

expected=$(awk -v name="$name" '$1 == name { print $2 }' "$here/baseline")
[[ $expected ]] || die "there is no '$name' in $here/baseline"
command -v valgrind >/dev/null || die "valgrind is missing: run scripts/packages.sh test"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
valgrind --tool=callgrind --toggle-collect=measured_part --callgrind-out-file="$directory/out" \
    "$program" 2>"$directory/log" || {
    cat "$directory/log" >&2
    die "$program failed under valgrind"
}
count=$(awk '$1 == "totals:" { print $2 }' "$directory/out")
((${count:-0} > 0)) || die "nothing was counted: does $program still have a function measured_part?"

change=$(awk -v now="$count" -v before="$expected" 'BEGIN { printf "%+.1f", (now / before - 1) * 100 }')
echo "$name: $count instructions, $change % against the baseline"
if ((count * 100 > expected * (100 + tolerance))); then
    say "that is more than $tolerance % above $expected; where it went (callgrind_annotate):"
    callgrind_annotate --auto=no --threshold=80 "$directory/out" >"$directory/functions"
    sed -n '/file:function/,$p' "$directory/functions" | head -n 25 >&2
    exit 1
fi
if ((count * 100 < expected * (100 - tolerance))); then
    say "cheaper by more than $tolerance %: write $count into $here/baseline, so that it stays so"
fi
