#!/bin/bash
# usage: tests/packaging/fetch_schemas.sh
#
# Prints the directory of an npm package that has the Prometheus Operator's
# custom resources as JSON schemas, made of the operator's own definitions.
# Downloaded once into the cache (KATAMETER_CACHE, else ~/.cache/katameter).

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../../vmtest/lib/cache.sh"

# Of v0.57.0, whose fields newer ones have, too. Later versions of the package have compiled code instead of schemas.
package=@kubernetes-models/prometheus-operator
version=4.0.0
digest=ba02343671d84921cc03f67f56f354fe7a791ff809a59e80edda8d51a1196ee5

fetch() { # DIR
    local dir=$1 archive=$1/package.tgz said
    command -v npm >/dev/null || die "npm is missing: run scripts/packages.sh schemas"
    said=$(cd "$dir" && npm pack --silent --cache "$dir/npm" --pack-destination "$dir" "$package@$version" 2>&1) ||
        die "npm cannot download $package $version: $said"
    mv "$dir"/*.tgz "$archive"
    sha256sum --status --check <<<"$digest  $archive" || die "$package $version is not what it was: $(sha256sum "$archive")"
    tar -xzf "$archive" -C "$dir" --strip-components=1
    rm -r "$archive" "$dir/npm"
}

case ${1:-} in
'') cache_entry "schemas/prometheus-operator-$version" fetch ;;
*) help_from_header ;;
esac
