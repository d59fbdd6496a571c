#!/bin/bash
# usage: scripts/kernels.sh [--check] [BUILD]
#
# Prints the matrix of docs/kernels.md: which metrics were compared on which
# guest kernel, with which result. Its only input is what the VM tests and
# guest-probe check reported in their last run (BUILD/tests/vm/reports, BUILD
# by default build). --check prints it and reports whether docs/kernels.md is
# the same; a difference is not a failure, because a run may be of some rows.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
cd "$here/.."

check=''
case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
--check)
    check=yes
    shift
    ;;
esac
reports=${1:-build}/tests/vm/reports
[[ -e $reports/rows ]] || die "no $reports: configure the build first (scripts/build.sh)"

print_all() {
    cat <<'TEXT'
# Kernels

Written by `scripts/kernels.sh` from what the tests of `tests/vm` and `guest-probe check` reported in each guest
(`scripts/test.sh --all`); do not edit it. A column is a group of metrics, the tag of the tests that compare it.

| cell | means |
|---|---|
| equal (n) | n tests compared them with the kernel's own files or counters, read before and after |
| DIFFERS | one of them found a difference |
| not there, but [n] | this kernel does not have them, or not all: the reason is below |
| not compared | no test of this group is for this guest |
| did not run | the guest was not started |

TEXT
    # The list of rows comes first, whatever the files are called.
    find "$reports" -type f ! -name rows -print0 | LC_ALL=C sort -z |
        xargs -0 awk -f scripts/kernels.awk "$reports/rows"
}

print_all
[[ $check ]] || exit 0
if ! print_all | cmp -s - docs/kernels.md; then
    say "docs/kernels.md differs from this; if all rows ran, update it: scripts/kernels.sh >docs/kernels.md"
fi
