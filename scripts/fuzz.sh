#!/bin/bash
# usage: scripts/fuzz.sh
#
# Fuzzes what reads bytes from a guest, or from a file: half a minute for each
# target, with AddressSanitizer and UBSanitizer. A finding is a failed test and
# a file that is named at its end.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
cd "$here/.."

case ${1:-} in
-h | --help)
    help_from_header
    exit 0
    ;;
esac

scripts/packages.sh build test fuzz
cmake --preset fuzz >/dev/null
say "building the fuzzers"
cmake --build --preset fuzz --target fuzzers
say "fuzzing, half a minute each"
ctest --test-dir build/fuzz -L fuzz --output-on-failure -j "$(nproc)"
