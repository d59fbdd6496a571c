#!/bin/bash
# usage: scripts/lint.sh [FILE.cc...]
#
# What CI checks besides the tests: commit messages, shellcheck, clang-format,
# the table of rooms in docs/architecture.md, and clang-tidy on the given files
# (default: everything but the tests).

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

scripts/packages.sh build test lint
say "checking commit messages"
scripts/check-commits.sh

# clang-tidy reads what the build generates.
scripts/build.sh

say "checking shell scripts"
git ls-files -z '*.sh' '*.bash' .ci/run 'packaging/debian/*/p*' | xargs -0r shellcheck -x

say "checking the formatting"
git ls-files -z '*.cc' '*.h' '*.c' | xargs -0r clang-format --dry-run -Werror

say "checking who includes whom"
scripts/lib/rooms.py

say "clang-tidy (some minutes)"
if (($#)); then
    files=("$@")
else
    mapfile -t files < <(git ls-files 'userspace/*.cc' 'guest-probe/*.cc' 'host-probe/*.cc')
fi
# Each file by itself and without precompiled headers: g++'s are not clang's, and a file that does not include what it needs
# shows. What is generated lies in build/.
cmake --preset dev -B build/lint -DCMAKE_UNITY_BUILD=OFF -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
sed -i "s|$PWD/build/lint|$PWD/build|g" build/lint/compile_commands.json
# Files are checked one by one; drop the count of suppressed warnings in foreign headers.
printf '%s\0' "${files[@]}" |
    xargs -0 -n 4 -P "$(nproc)" clang-tidy -p build/lint --quiet 2> >(grep -v 'warnings\? generated' >&2 || true)
say "clean"
