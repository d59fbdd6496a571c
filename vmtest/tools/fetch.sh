#!/bin/bash
# usage: vmtest/tools/fetch.sh NAME
#
# Prints the directory of a program that is unpacked and not installed; the
# command itself is DIR/bin/NAME. NAME is one of the first column of
# vmtest/tools/table; without NAME the table is printed. Downloaded once into
# the cache (KATAMETER_CACHE, else ~/.cache/katameter).

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../../scripts/lib/say.sh"
. "$here/../lib/cache.sh"
. "$here/../lib/archive.sh"

table=$here/table

# The launcher: the suite's own loader and libraries if they came along. The
# entry may be moved, so everything is relative to the launcher.
write_launcher() { # FILE PROGRAM
    {
        printf '#!/bin/bash\nprogram=%q\n' "$2"
        cat <<'LAUNCH'
root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
program=$root/$program
libraries=$root/usr/lib/x86_64-linux-gnu
loader=$libraries/ld-linux-x86-64.so.2
case $program in
*/virtme-run)
    export PYTHONPATH=$root/usr/lib/python3/dist-packages
    exec /usr/bin/python3 "$program" "$@"
    ;;
esac
if [[ -x $loader ]]; then
    exec "$loader" --library-path "$libraries" --argv0 "$program" "$program" "$@"
fi
exec "$program" "$@"
LAUNCH
    } >"$1"
    chmod +x "$1"
}

unpack_tool() { # NAME SUITE PROGRAM PACKAGE... DIR
    local name=$1 suite=$2 program=$3 dir=${*: -1}
    archive_unpack "$suite" "$dir" "${@:4:$#-4}"
    [[ -e $dir/$program ]] || die "$name: no $program in what was unpacked"
    # Much of what comes along is never run.
    rm -rf "${dir:?}"/{etc,lib,var,sbin,usr/sbin,usr/share/doc,usr/share/man}
    [[ ! -d $dir/usr/bin ]] || find "$dir/usr/bin" -type f ! -path "$dir/$program" -delete
    mkdir -p "$dir/bin"
    write_launcher "$dir/bin/$name" "$program"
}

case ${1:---help} in
-h | --help)
    help_from_header
    grep -v '^#' "$table"
    exit 0
    ;;
esac

row=$(awk -v name="$1" '$1 == name' "$table")
[[ $row ]] || die "no tool '$1'; there are:" \
    "$(awk '!/^#/ { printf " %s", $1 }' "$table")"
read -r -a fields <<<"$row"
cache_entry "tools/$1" unpack_tool "${fields[@]}"
