#!/bin/bash
# katameter-guest-probe.service under a running systemd; runs in the guest.

. "${BASH_SOURCE[0]%/*}/in_guest.sh"
unit=katameter-guest-probe
when_failed=("systemctl --no-pager status $unit kata-agent kata-containers.target" "last_of_log")
last_of_log() { dmesg | tail -n 15; }
id=$(printf 'ab%.0s' {1..32})

# Without a capability it can only ask the one that runs, not load its own.
dump() {
    setpriv --inh-caps -all --bounding-set -all guest-probe dump --format json 2>/dev/null
}
knows_container() {
    dump | grep -q "$id"
}
others_are_well() {
    expect "kata-containers.target" active "$(systemctl is-active kata-containers.target)"
    expect "the agent" active "$(systemctl is-active kata-agent)"
    expect "the agent's process" "$agent" "$(property kata-agent MainPID)"
}
restarted() {
    [[ $(property $unit NRestarts) == "$1" ]] && knows_container
}

agent=$(property kata-agent MainPID)
expect "the root" ro "$(awk '$2 == "/" { print substr($4, 1, 2) }' /proc/mounts)"
expect "multi-user.target" inactive "$(systemctl is-active multi-user.target)"

mkdir -p "/sys/fs/cgroup/cri-containerd/$id" 2>/dev/null || mkdir -p /sys/fs/cgroup/{memory,cpu,cpuacct}/cri-containerd/"$id"
within 120 knows_container || fail "no snapshot with the container is served"
expect "the unit" active "$(systemctl is-active $unit)"
others_are_well
passed "up, and serves a snapshot"

((10#$(property kata-agent ExecMainStartTimestampMonotonic) < 10#$(property $unit ExecMainStartTimestampMonotonic))) ||
    fail "guest-probe started before the agent"
waits=$(for other in kata-agent kata-containers.target basic.target; do
    systemctl show --value -p Requires -p Requisite -p BindsTo -p After -p PropagatesStopTo -p OnFailure "$other"
done)
[[ $waits != *katameter* ]] || fail "something waits for it: $waits"
passed "agent and target wait for nothing of it: the agent at $(property kata-agent ExecMainStartTimestampMonotonic)," \
    "guest-probe at $(property $unit ExecMainStartTimestampMonotonic) us"

pid=$(property $unit MainPID)
expect "CapEff" 0000000000000000 "$(status_of "$pid" CapEff)"
# CAP_NET_BIND_SERVICE 10, CAP_SYSLOG 34, CAP_PERFMON 38, CAP_BPF 39
expect "CapBnd" "$(printf '%016x' $((1 << 10 | 1 << 34 | 1 << 38 | 1 << 39)))" "$(status_of "$pid" CapBnd)"
expect "NoNewPrivs" 1 "$(status_of "$pid" NoNewPrivs)"
expect "oom_score_adj" -999 "$(<"/proc/$pid/oom_score_adj")"
log=$(dmesg | grep 'guest-probe: ' | sed '/is ready/q')
[[ $log == *"is ready"* ]] || fail "it has not said that it is ready: $log"
! grep -E 'warning|error' <<<"$log" || fail "it lacks something under this unit"
passed "confined, and lacks nothing: the figures were compared with the kernel's files"

kill -9 "$pid"
within 120 restarted 1 || fail "not restarted after kill -9"
others_are_well
passed "killed, and started again"

# Pins and the folder stay, for whoever is started next; process and sockets go.
pid=$(property $unit MainPID)
SECONDS=0
systemctl stop $unit
((SECONDS <= 2)) || fail "stopping took $SECONDS s"
expect "the stopped unit" inactive "$(systemctl is-active $unit)"
[[ ! -e /proc/$pid ]] || fail "its process is there after the stop"
[[ ! -e /run/katameter/guest-probe.sock ]] || fail "its socket is there after the stop"
[[ -d /run/katameter ]] || fail "/run/katameter is gone after the stop"
[[ -d /sys/fs/bpf/katameter ]] || fail "what has to survive a stop is gone"
others_are_well
guest-probe detach >/dev/null || fail "guest-probe detach"
# Names with a dot are the kernel's own.
left=$(find /sys/fs/bpf -mindepth 1 ! -name '*.*')
[[ ! $left ]] || fail "detach left $left"
passed "stopped: its pins are left, and nothing after detach"

# A kernel whose bpf() is one of a stock Kata kernel: EINVAL.
mkdir -p /run/systemd/system/$unit.service.d
printf '[Service]\nSystemCallFilter=~bpf\nSystemCallErrorNumber=EINVAL\n' >/run/systemd/system/$unit.service.d/no-bpf.conf
systemctl daemon-reload
systemctl start $unit
failed() {
    [[ $(systemctl is-failed $unit) == failed ]]
}
within 60 failed || fail "without BPF the unit has not failed"
sleep 3
failed || fail "without BPF the unit is tried again"
expect "its exit status" 4 "$(property $unit ExecMainStatus)"
[[ ! -e /sys/fs/bpf/katameter ]] || fail "without BPF it left pins"
others_are_well
passed "without BPF the unit fails, once, and agent and target go on: $(dmesg | grep 'guest-probe: error' | tail -n 1)"
rm /run/systemd/system/$unit.service.d/no-bpf.conf
systemctl daemon-reload
systemctl start $unit
within 60 knows_container || fail "it does not start after a failure"

# Somebody else has the port for a while.
systemctl stop $unit
systemctl reset-failed $unit
guest-probe run --listen vsock:1717 --pin-dir "" >/dev/null 2>&1 &
holder=$!
holds() {
    grep -q "socket:" <(ls -l /proc/$holder/fd 2>/dev/null)
}
within 60 holds || fail "nobody has taken the port"
sleep 1
systemctl start $unit
# 0 again as soon as the next attempt has begun.
failed_with_1() {
    [[ $(property $unit ExecMainStatus) == 1 ]]
}
within 60 failed_with_1 || fail "the status of a start that failed is not 1"
tried_again() {
    (($(property $unit NRestarts) >= 1))
}
within 60 tried_again || fail "a start that failed is not tried again"
dmesg | grep 'guest-probe: error' | tail -n 1 | grep -q 'another program in this guest has the port' ||
    fail "it does not say that the port is taken: $(dmesg | grep 'guest-probe: error' | tail -n 1)"
kill $holder
wait $holder || :
within 120 knows_container || fail "it does not come up when the port is free"
others_are_well
passed "started with its port taken, it is tried again until it has it: $(property $unit NRestarts) times"

# A port that takes a privilege.
systemctl stop $unit
printf '[Service]\nExecStart=\nExecStart=%s --listen vsock:1000 --listen unix:/run/katameter/guest-probe.sock\n' \
    "/usr/bin/guest-probe --log.target kmsg --pin-dir /run/katameter/bpf/katameter run" \
    >/run/systemd/system/$unit.service.d/port.conf
systemctl daemon-reload
systemctl start $unit
within 120 knows_container || fail "it does not start on port 1000"
expect "CapEff on a port below 1024" 0000000000000000 "$(status_of "$(property $unit MainPID)" CapEff)"
passed "on port 1000, with no capability left"
