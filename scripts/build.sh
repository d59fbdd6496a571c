#!/bin/bash
# usage: scripts/build.sh [PRESET [TARGET...]]
#
# Configures and builds a preset (default dev, in build/). Does nothing when
# nothing changed.

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
preset=${1:-dev}
(($# == 0)) || shift
targets=()
((!$#)) || targets=(--target "$@")

# The build configures again by itself when a CMake file changed; asking for it
# each time would only print.
if [[ $preset != dev || ! -e build/build.ninja ]]; then
    say "configuring ($preset)"
    cmake --preset "$preset"
fi
say "building ($preset)"
cmake --build --preset "$preset" "${targets[@]}"
