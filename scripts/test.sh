#!/bin/bash
# usage: scripts/test.sh [--all] [CTEST-ARGUMENT...]
#
# Installs what is missing, builds, and runs every test. --all adds the checks
# of scripts/lint.sh, the tests under the sanitizers, the page in a browser, the
# container image, the Prometheus Operator's schemas, the packages for arm64 in
# guests of arm64, and the VM tests on every kernel, three of which it compiles
# the first time; it ends with the matrix of docs/kernels.md. Further arguments
# go to ctest: -LE vm leaves out what boots kernels, -R guest takes what is so
# named, -j 1 runs one after the other (default: one more than there are CPUs).

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
cd "$here/.."

all=''
case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
--all)
    all=yes
    shift
    ;;
esac

run_tests() { # BUILD [CTEST-ARGUMENT...]
    local build=$1
    shift
    # A guest waits for much of its time: with one test more than CPUs, these are busy.
    ctest --test-dir "$build" --output-on-failure -j "$(($(nproc) + 1))" "$@"
}

scripts/packages.sh build test vm package ${all:+kernel image schemas browser arm64 vm-arm64}
if [[ $all ]]; then
    scripts/lint.sh
    scripts/build.sh asan
    run_tests build/asan "$@"
    scripts/build.sh arm64
fi
scripts/build.sh
cmake -B build -DKATAMETER_ALL_KERNELS="${all:-no}" >/dev/null

# What VM tests boot is fetched before the clock of any test runs: the kernels
# that their command lines name, 5.10.262, which is the scripts' own choice, and
# the programs.
tests=$(ctest --test-dir build --show-only=json-v1 "$@")
if [[ $all ]]; then
    scripts/prefetch.sh --all
elif [[ $tests == *'"vm"'* ]]; then
    mapfile -t names < <(grep -A 1 -F '"--kernel"' <<<"$tests" | grep -oP '^\s*"\K[0-9][^"]*' | sort -u)
    mapfile -t programs < <(awk '!/^#/ { print $1 }' vmtest/tools/table)
    scripts/prefetch.sh 5.10.262 "${names[@]}" "${programs[@]}" systemd
fi

if [[ ! $all ]]; then
    # The last thing, so that the log ends with ctest's own summary.
    run_tests build "$@"
    exit
fi
# What an earlier run reported is not this one's.
rm -f build/tests/vm/reports/guest-*
status=0
run_tests build "$@" || status=$?
scripts/kernels.sh --check
exit "$status"
