#!/bin/sh
# shellcheck shell=dash
# guest-probe started by the agent's hook and by a boot script, in a guest whose
# init is no systemd; run by busybox sh in a guest of vmtest/sandbox.sh that
# nobody has started guest-probe in.

hook=/usr/share/oci/hooks/prestart/guest-probe
id=$(printf 'ab%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
bundle=/run/kata-containers/$id

fail() {
    echo "hooks: FAILED: $*"
    dmesg | grep guest-probe
    ps
    echo "hooks: end 1"
    exit 1
}
passed() {
    read -r uptime _ </proc/uptime
    echo "hooks: passed at $uptime s: $*"
}

# What the agent writes (OCI runtime specification, State).
state() {
    printf '{"ociVersion":"1.0.2-dev","id":"%s","status":"created","pid":%s,"bundle":"%s","annotations":{"io.kubernetes.cri.container-type":"sandbox"}}' \
        "$id" $$ "$bundle"
}
# The agent: in the bundle's folder, arguments NAME prestart, pipes for all three,
# of which it reads the last two to their end.
call_hook() {
    said=$(cd "$bundle" && "$hook" prestart 2>&1)
}
daemons() {
    pidof guest-probe | wc -w
}
within() { # SECONDS COMMAND...
    tries=$(($1 * 10))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        usleep 100000
    done
}
one_daemon() {
    [ "$(daemons)" = 1 ]
}
no_daemon() {
    [ "$(daemons)" = 0 ]
}
# A guest-probe that dumps by itself numbers its only snapshot 1.
serves() {
    guest-probe dump --format json 2>/dev/null | grep -q "$id" &&
        guest-probe dump --format json 2>/dev/null | grep -qv '"sequence":1[,}]'
}
starts() {
    dmesg | grep -c 'guest-probe: info guest-probe .* is ready'
}

mkdir -p "$bundle"
for controller in memory cpu,cpuacct pids; do
    mkdir -p "/sys/fs/cgroup/$controller/cri-containerd/$id"
done
# As in an image whose root is read-only; the agent of an initrd mounts no /tmp.
umount /tmp && rmdir /tmp
mount -o remount,ro /
! touch /katameter-test 2>/dev/null || fail "the root can be written"
[ ! -e /tmp ] || fail "there is a /tmp"
{ [ -f $hook ] && [ ! -L $hook ] && [ -x $hook ]; } || fail "$hook is nothing that the agent calls"
no_daemon || fail "something has started guest-probe"

# The first containers, at once; each call with its own end.
for n in 1 2 3 4 5 6 7 8; do
    (state | call_hook && [ -z "$said" ] && : >/run/hook-$n) &
done
wait
for n in 1 2 3 4 5 6 7 8; do
    [ -e /run/hook-$n ] || fail "hook $n of 8 did not end with 0, or said something"
done
within 60 serves || fail "no snapshot with the container is served"
one_daemon || fail "$(daemons) guest-probes run"
[ "$(starts)" = 1 ] || fail "it was started $(starts) times"
dmesg | grep -q "guest-probe: info started by a hook container=$id" || fail "it does not say who started it"
passed "eight hooks at once: one guest-probe, which serves"

pid=$(pidof guest-probe)
for fd in 0 1 2; do
    [ "$(readlink /proc/"$pid"/fd/$fd)" = /dev/null ] || fail "its descriptor $fd is $(readlink /proc/"$pid"/fd/$fd)"
done
for fd in /proc/"$pid"/fd/*; do
    case $(readlink "$fd") in pipe:*) fail "it holds a pipe of the agent's" ;; esac
done
[ "$(readlink /proc/"$pid"/cwd)" = / ] || fail "it works in $(readlink /proc/"$pid"/cwd)"
[ "$(awk '{ print $4 }' /proc/"$pid"/stat)" = 1 ] || fail "its parent is not init"
grep -q '^CapEff:.0000000000000000' /proc/"$pid"/status || fail "it has capabilities"
passed "it has nothing of the hook's"

for n in 1 2 3; do
    state | call_hook || fail "hook of container $n: status $?"
done
call_hook </dev/null || fail "no state: status $?"
echo '{"id": 5' | call_hook || fail "half a state: status $?"
call_hook </bin/busybox || fail "garbage: status $?"
yes | call_hook || fail "endless state: status $?"
sleep 10 | call_hook || fail "silence: status $?"
(exec <&-; call_hook) || fail "closed stdin: status $?"
[ "$(pidof guest-probe)" = "$pid" ] || fail "guest-probe is not the one of the first container"
[ "$(starts)" = 1 ] || fail "it was started $(starts) times"
passed "whatever is on stdin, the hook ends with 0, and starts nothing more"

hundredths() {
    read -r uptime _ </proc/uptime
    echo "${uptime%.*}${uptime#*.}"
}
# In the shell itself, so that each is one fork and one exec.
state >/run/state
begin=$(hundredths)
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do /bin/busybox true </run/state; done
middle=$(hundredths)
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do $hook prestart </run/state; done
end=$(hundredths)
passed "20 hooks took $((end - middle))0 ms, 20 busybox true $((middle - begin))0 ms"

kill -9 "$pid"
within 5 no_daemon || fail "it cannot be killed"
state | call_hook || fail "hook after a kill: status $?"
within 60 serves || fail "not started again after it was killed"
one_daemon || fail "$(daemons) guest-probes run"
passed "killed, and started again for the next container"

kill "$(pidof guest-probe)"
within 5 no_daemon || fail "it does not end"
guest-probe detach >/dev/null || fail "guest-probe detach"
! grep -q ' /sys/fs/bpf ' /proc/mounts || fail "detach left the BPF file system mounted"

# A boot script.
said=$(guest-probe start 2>&1) || fail "guest-probe start: status $?"
[ -z "$said" ] || fail "guest-probe start said: $said"
guest-probe start || fail "a second start: status $?"
state | call_hook || fail "hook after a start: status $?"
within 60 serves || fail "no snapshot is served after start"
one_daemon || fail "$(daemons) guest-probes run"
passed "started by a boot script, once, with a hook after it"
# One that forks in its own way.
kill "$(pidof guest-probe)"
within 5 no_daemon || fail "it does not end"
guest-probe run </dev/null >/dev/null 2>&1 &
within 60 serves || fail "no snapshot is served after run &"
guest-probe start || fail "start beside run &: status $?"
state | call_hook || fail "hook beside run &: status $?"
sleep 1
one_daemon || fail "$(daemons) guest-probes run"
passed "forked by a boot script, with start and hook after it"
# Started while somebody else has the port.
kill "$(pidof guest-probe)"
within 5 no_daemon || fail "it does not end"
guest-probe run --listen vsock:1717 --pin-dir "" </dev/null >/dev/null 2>&1 &
holder=$!
within 10 one_daemon || fail "nobody has taken the port"
sleep 1
guest-probe start || fail "start with the port taken: status $?"
tried_again() {
    dmesg | grep -q 'guest-probe: warning retrying wait_ms=2000'
}
within 60 tried_again || fail "a start that failed is not tried again"
kill $holder
within 60 serves || fail "it does not come up when the port is free"
one_daemon || fail "$(daemons) guest-probes run"
passed "started with its port taken, it tries again until it has it"
echo "hooks: end 0"
