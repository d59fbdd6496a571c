#!/bin/bash
# usage: scripts/kernels.sh [--check | --update] [BUILD]
#
# Prints the matrix of docs/kernels.md: which metrics were compared on which
# guest kernel, with which result. Its only input is what the VM tests and
# guest-probe check reported in their last run (BUILD/tests/vm/reports, BUILD
# by default build). --check prints it and reports whether docs/kernels.md is
# the same; a difference is not a failure, because a run may be of some rows.
# --update writes what ran into docs/kernels.md, and keeps the other cells.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
cd "$here/.."

check='' update=''
case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
--check)
    check=yes
    shift
    ;;
--update)
    update=yes
    shift
    ;;
esac
reports=${1:-build}/tests/vm/reports
[[ -e $reports/rows ]] || die "no $reports: configure the build first (scripts/build.sh)"

print_all() {
    cat <<'TEXT'
# Kernels

Written by `scripts/kernels.sh` from what the tests of `tests/vm` and `guest-probe check` reported in each guest
(`scripts/test.sh --all`, or some of its rows with `--update`); do not edit it. A cell is from the last run
that compared it. A column is a group of metrics, the tag of the tests that compare it.

| cell | means |
|---|---|
| equal (n) | n tests compared them with the kernel's own files or counters, read before and after |
| DIFFERS | one of them found a difference |
| not there, but [n] | this kernel does not have them, or not all: the reason is below |
| not compared | no test of this group is for this guest |
| did not run | the guest was not started |

The guests below are of amd64. On arm64 the same is there: guest-probe's programs are raw tracepoints (`tp_btf` is attached
as one) and iterators, so none needs the BPF trampoline, which arm64 has from 6.0 on only. In emulated guests of 5.10.223
with cgroup v1 and of 6.18 with v2, `guest-probe check` finds everything, and the comparison with the kernel's files.

TEXT
    # The list of rows comes first, whatever the files are called.
    find "$reports" -type f ! -name rows -print0 | LC_ALL=C sort -z |
        xargs -0 awk -f scripts/kernels.awk ${update:+-v updates=1 docs/kernels.md} "$reports/rows"
}

if [[ $update ]]; then
    matrix=$(print_all)
    printf '%s\n' "$matrix" >docs/kernels.md
    exit
fi

print_all
[[ $check ]] || exit 0
if ! print_all | cmp -s - docs/kernels.md; then
    say "docs/kernels.md differs from this; if all rows ran, update it: scripts/kernels.sh >docs/kernels.md"
fi
