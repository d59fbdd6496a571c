#!/bin/sh
# usage: arm64_guest.sh DIRECTORY VERSION
#
# Part of check_arm64.sh, in a guest: both programs of DIRECTORY run, and are of
# VERSION. host-probe loads its BPF programs and serves a scrape; guest-probe
# finds everything that it needs, and has the CPU time and the OOM kill of a
# container that the kernel's own files have. busybox sh.

set -eu
directory=$1 version=$2
fail() {
    echo "FAILED: $*" >&2
    exit 1
}
for program in host-probe guest-probe; do
    [ "$("$directory/$program" --version)" = "$program $version" ] || fail "$program --version"
done

"$directory/host-probe" run >/tmp/host.log 2>&1 &
host=$!
until wget -q -O /tmp/metrics http://127.0.0.1:9717/metrics 2>/dev/null; do
    kill -0 "$host" 2>/dev/null || fail "host-probe has ended: $(cat /tmp/host.log)"
    sleep 1
done
grep -qx 'katameter_collector_success{collector="processes"} 1' /tmp/metrics ||
    fail "no metrics of the host's processes: $(cat /tmp/host.log)"
kill "$host"
wait "$host" || fail "host-probe ended with $?: $(cat /tmp/host.log)"

# 3: some figure that this kernel does not count. The tests in tests/vm know which.
status=0
"$directory/guest-probe" check || status=$?
[ "$status" = 0 ] || [ "$status" = 3 ] || fail "guest-probe check ended with $status"
"$directory/guest-probe" start || fail "guest-probe start ended with $?: $(dmesg | tail -n 5)"
until dmesg | grep -q 'guest-probe .* is ready'; do
    pidof guest-probe >/dev/null || fail "guest-probe has ended: $(dmesg | tail -n 5)"
    sleep 1
done
grep -qx 'Seccomp:.2' "/proc/$(pidof guest-probe)/status" || fail "guest-probe has no seccomp filter"

id=$(printf '5afe%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
cgroup=/sys/fs/cgroup/cri-containerd/$id
mkdir -p "$cgroup"
echo '+cpu +memory' >/sys/fs/cgroup/cri-containerd/cgroup.subtree_control
echo 16M >"$cgroup/memory.max"
# dd holds its whole buffer in memory: more than the limit.
sh -c 'echo 0 >"$0/cgroup.procs"; exec dd if=/dev/zero of=/dev/null bs=64M count=1' "$cgroup" 2>/dev/null &&
    fail "the container could use more memory than its limit"
oom_kills=$(sed -n 's/^oom_kill //p' "$cgroup/memory.events")
[ "$oom_kills" = 1 ] || fail "the kernel counted $oom_kills OOM kills"
before=$(sed -n 's/^usage_usec //p' "$cgroup/cpu.stat")
"$directory/guest-probe" dump --format json >/tmp/dump || fail "guest-probe dump ended with $?"
# What the container used does not grow any more: it has no process.
value() { # NAME
    sed -n "s/\"guest\":.*//; s/.*\"containers\":.*\"$1\":\([0-9]*\).*/\1/p" /tmp/dump
}
[ "$before" -gt 0 ] || fail "the container used no CPU time"
[ "$(($(value cpu_usage_ns) / 1000))" = "$before" ] || fail "cpu.stat has $before us: $(cat /tmp/dump)"
[ "$(value oom_kills)" = 1 ] || fail "not one OOM kill: $(cat /tmp/dump)"
grep -q '"oom_class":"container_limit"' /tmp/dump || fail "not known whose memory was out: $(cat /tmp/dump)"
echo "on $(uname -rm): CPU time $before us and 1 OOM kill, as the kernel's files have them"
