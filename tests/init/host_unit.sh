#!/bin/bash
# katameter-host-probe.service under a running systemd; runs in the guest, which is the node now.

. "${BASH_SOURCE[0]%/*}/in_guest.sh"
unit=katameter-host-probe
when_failed=("systemctl --no-pager status $unit" "journalctl --no-pager -n 30 -u $unit")

restarted() {
    [[ $(property $unit NRestarts) == "$1" ]] && has_host_figures
}
says() {
    [[ $(property $unit StatusText) == *"$1"* ]]
}
logged() {
    journalctl --no-pager -o cat -u $unit | grep -q "$1"
}

# The node's disk can be written to where the guest's cannot.
mount -t tmpfs none /var/lib
cp -r /etc/katameter /run/conf
mount --bind /run/conf /etc/katameter

# A node has no guest-probe, which may still be at its pins.
systemctl stop katameter-guest-probe
before=$(ls /sys/fs/bpf /run)
systemctl start $unit || fail "it does not start"
# Nothing is waited for: that it was ready is what start has waited for.
has_host_figures || fail "no scrape, or no figures of the host"
says Serving || fail "its status is '$(property $unit StatusText)'"
pid=$(property $unit MainPID)
# CAP_PERFMON 38, CAP_BPF 39
expect "CapEff" "$(printf '%016x' $((1 << 38 | 1 << 39)))" "$(status_of "$pid" CapEff)"
expect "WatchdogUSec" 30s "$(property $unit WatchdogUSec)"
passed "ready when start returned, and scraped, with two capabilities"

kill -9 "$pid"
within 60 restarted 1 || fail "not restarted after kill -9"
passed "killed, and started again"

pid=$(property $unit MainPID)
echo 'log.level = "debug"' >>/etc/katameter/host-probe.conf
systemctl reload $unit || fail "reload"
within 5 logged 'configuration reloaded' || fail "it has not read its configuration again"
echo 'no-such-option = 1' >>/etc/katameter/host-probe.conf
systemctl reload $unit
within 5 says 'not reloaded' || fail "a wrong configuration is not said: '$(property $unit StatusText)'"
has_host_figures || fail "a wrong configuration ended it"
expect "the process after two reloads" "$pid" "$(property $unit MainPID)"
sed -i '/no-such-option/d' /etc/katameter/host-probe.conf
passed "reloaded; a wrong configuration is said, and the old one goes on"

# A loop that hangs. With less patience than the unit's 30 s.
mkdir -p /run/systemd/system/$unit.service.d
printf '[Service]\nWatchdogSec=6\n' >/run/systemd/system/$unit.service.d/hasty.conf
systemctl daemon-reload
systemctl restart $unit
sleep 7
expect "restarts of one that works" 0 "$(property $unit NRestarts)"
kill -STOP "$(property $unit MainPID)"
within 60 restarted 1 || fail "the watchdog did not notice that it hangs"
passed "hung, and started again by the watchdog"

pid=$(property $unit MainPID)
SECONDS=0
systemctl stop $unit
((SECONDS <= 3)) || fail "stopping took $SECONDS s"
expect "the stopped unit" inactive "$(systemctl is-active $unit)"
expect "its result" success "$(property $unit Result)"
[[ ! -e /proc/$pid ]] || fail "its process is there after the stop"
! scrape || fail "its port is open after the stop"
expect "what is in /sys/fs/bpf and /run" "$before" "$(ls /sys/fs/bpf /run)"
expect "its state" "$(printf '%s\n' katameter)" "$(ls /var/lib)"
passed "stopped: nothing left but its history"
