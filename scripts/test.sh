#!/bin/bash
# usage: scripts/test.sh [--all] [CTEST-ARGUMENT...]
#
# Installs what is missing, builds, and runs every test. --all also checks
# formatting and shell scripts first. Further arguments go to ctest, e.g.
# -L unit or -R wire.

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

scripts/packages.sh build test vm
if [[ $all ]]; then
    scripts/packages.sh lint
    say "checking shell scripts and formatting"
    git ls-files -z '*.sh' .ci/run | xargs -0r shellcheck -x
    git ls-files -z '*.cc' '*.h' '*.c' | xargs -0r clang-format --dry-run -Werror
fi

scripts/build.sh

# What VM tests boot is fetched before the clock of any test runs.
if ctest --test-dir build --show-only=json-v1 "$@" | grep -F vmtest/ >/dev/null; then
    scripts/prefetch.sh
fi

# The last thing, so that the log ends with ctest's own summary.
exec ctest --test-dir build --output-on-failure "$@"
