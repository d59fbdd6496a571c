#!/bin/bash
# usage: tests/packaging/fetch_helm.sh
#
# Prints the path of Helm, which Debian does not have: compiled once, some
# minutes, from its Go module into the cache (KATAMETER_CACHE, else
# ~/.cache/katameter). Needs Go 1.24 or later in PATH.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../../vmtest/lib/cache.sh"

version=v3.18.6

fetch() { # DIR
    local dir=$1 log=$1/log
    command -v go >/dev/null || die "Go is missing: install 1.24 or later"
    # The checksum database of Go's makes sure that it is what it was.
    GOFLAGS=-modcacherw GOPATH=$dir/go GOBIN=$dir/bin go install -trimpath "helm.sh/helm/v3/cmd/helm@$version" >"$log" 2>&1 ||
        die "cannot compile Helm $version with $(go version): $(tail -n 5 "$log")"
    rm -rf "$dir/go" "$log"
}

case ${1:-} in
'') printf '%s/bin/helm\n' "$(cache_entry "tools/helm-$version" fetch)" ;;
*) help_from_header ;;
esac
