#!/bin/bash
# As many containers as --max-containers takes, and some more, in one guest: over hybrid vsock every row arrives in
# host-probe, with all figures, and the rest as a sum. On 5.10: from 6.12 the vsock of vhost-device-vsock stalls.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/../../scripts/lib/say.sh"
cd "$here/../.."

rows=1600 others=50 port=9727
out=build/many-containers
mkdir -p $out
dir=$(mktemp -d /tmp/katameter.XXXXXX)
sandbox='' probe=''
finish() {
    local pid
    for pid in $probe $sandbox; do kill "$pid" 2>/dev/null && wait "$pid"; done || :
    rm -rf "$dir"
}
trap finish EXIT

cat >"$dir/init.sh" <<INIT
guest-probe --max-containers $rows run &
until guest-probe dump >/dev/null 2>&1; do sleep 0.2; done
cd /sys/fs/cgroup
mkdir cpu,cpuacct/cri-containerd memory/cri-containerd pids/cri-containerd
i=0
while [ \$i -lt $((rows + others)) ]; do
    i=\$((i + 1))
    name=cri-containerd/\$(printf '%064x' \$i)
    mkdir cpu,cpuacct/\$name memory/\$name pids/\$name
done
echo made
INIT
vmtest/sandbox.sh --id "$(printf 'b0d0%.0s' {1..16})" --dir "$dir" --memory 1024 --timeout 200 \
    --start none --init "$dir/init.sh" --console "$PWD/$out/console.log" >"$dir/ready" &
sandbox=$!
for ((i = 0; i < 300; ++i)); do
    ! grep -qs '^made' $out/console.log || break
    kill -0 $sandbox || die "the sandbox has ended"
    sleep 1
done
build/bin/host-probe --run-root "$dir/run" --state-file '' --web.listen-address 127.0.0.1:$port run >$out/host-probe.log 2>&1 &
probe=$!

for ((i = 0; i < 120; ++i)); do
    kill -0 $probe || die "host-probe has ended (see $out/host-probe.log)"
    curl -fs --max-time 20 -o $out/metrics.prom http://127.0.0.1:$port/metrics || :
    found=$(grep -c '^container_memory_working_set_bytes{' $out/metrics.prom || :)
    ((found != rows)) || break
    sleep 1
done
((found == rows)) || die "$found of $rows containers have a row"
for metric in container_cpu_user_seconds_total container_memory_usage_bytes container_memory_rss container_threads; do
    count=$(grep -c "^$metric{" $out/metrics.prom || :)
    ((count == rows)) || die "$metric has $count series for $rows containers"
done
unattributed=$(awk '/^katameter_guest_unattributed_containers[{]/ { print $2 }' $out/metrics.prom)
[[ $unattributed == "$others" ]] || die "$unattributed containers are reported as a sum, not $others"
say "$rows rows and a sum of $others, $(wc -c <$out/metrics.prom) bytes of text"
