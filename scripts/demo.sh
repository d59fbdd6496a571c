#!/bin/bash
# usage: scripts/demo.sh [--once] [--port PORT]
#
# Shows katameter at work: installs what is missing, builds, boots one
# Kata-like sandbox with three containers, starts host-probe beside it, and
# prints a table of what they cost until Ctrl-C. Leaves nothing running.
#
#   --once       one table over 5 s; the scrapes before and after it stay in
#                build/demo/earlier.prom and metrics.prom
#   --port PORT  where /metrics is served on 127.0.0.1 (default 9717)

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/lib/say.sh"
. "$here/demo/run.sh"
cd "$here/.."

arguments=("$@")
once='' port=9717 built=''
while (($#)); do
    case $1 in
    --once) once=yes ;;
    --port) need_value "$@" && port=$2 && shift ;;
    --built) built=yes ;; # by this script, when it continues as root
    -h | --help) help_from_header && exit 0 ;;
    *) die "unknown argument '$1' (see --help)" ;;
    esac
    shift
done
if [[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
    die "'$port' is not a port; use a number from 1 to 65535"
fi
if port_is_used "$port"; then
    die "port $port of 127.0.0.1 is in use: choose another with --port"
fi

if [[ ! $built ]]; then
    scripts/packages.sh build test vm demo
    scripts/build.sh dev guest-probe host-probe >&2
    scripts/prefetch.sh 5.10.262 vhost-device-vsock
fi
if ((EUID != 0)); then
    command -v sudo >/dev/null || die "run as root, or install sudo: BPF and virtiofsd need it"
    say "continuing as root, because BPF and virtiofsd need it"
    exec sudo "KATAMETER_CACHE=$(. vmtest/lib/cache.sh && cache_dir)" \
        "$here/demo.sh" --built "${arguments[@]}"
fi

out=build/demo
mkdir -p "$out"
# Short, because of what lies below it is a socket's name.
dir=$(mktemp -d /tmp/katameter.XXXXXX)
trap stop_demo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "booting a sandbox"
start_sandbox "$dir" "$out"
say "starting host-probe"
start_host_probe "$dir" "$out" "$port"

url=http://127.0.0.1:$port/metrics
await_containers "$url" "$dir" 3
say "metrics are at $url"

if [[ $once ]]; then
    scrape "$url" "$out/earlier.prom"
    make_table "$port" 5 "$dir/table"
    scrape "$url" "$out/metrics.prom"
    cat "$dir/table"
    exit 0
fi

while :; do
    make_table "$port" 2 "$dir/table"
    # Home and clear to the end of the screen: no flicker.
    [[ ! -t 1 ]] || printf '\033[H\033[2J'
    printf '%s    (Ctrl-C ends it)\n\n' "$url"
    cat "$dir/table"
done
