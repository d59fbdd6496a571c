#!/bin/bash
# A node that is suspended to RAM, and resumed by its RTC, with katameter-host-probe.service and a guest on it; runs in
# the guest of vmtest/systemd.sh, which is the node. CLOCK_BOOTTIME goes on meanwhile, and with it the guest's clock;
# CLOCK_MONOTONIC stands still.

. "${BASH_SOURCE[0]%/*}/in_guest.sh"
unit=katameter-host-probe
when_failed=("systemctl --no-pager status $unit" "journalctl --no-pager -n 30 -u $unit" "dmesg")
alarm=/sys/class/rtc/rtc0/wakealarm
# More than a guest's clock may gain on the host's (SnapshotRules::clock_slack).
gain_s=31 suspended_s=40

has_guest() {
    scrape | grep -q '^katameter_guest_probe_up{.*} 1$'
}
monotonic_s() {
    awk '/^now at/ { print int($3 / 1e9); exit }' /proc/timer_list
}
boottime_s() {
    cut -d. -f1 /proc/uptime
}
start_times() {
    scrape | grep '^container_start_time_seconds'
}

mountpoint -q /var/lib || mount -t tmpfs none /var/lib
rm -f /run/systemd/system/$unit.service.d/hasty.conf
systemctl daemon-reload
systemctl start $unit || fail "it does not start"
simulator --run-root /run --guests 1 >/dev/null </dev/null &
has_host_figures || fail "no scrape, or no values of the host"
within 60 has_guest || fail "no guest"
started=$(start_times)
[[ $started ]] || fail "no container"

monotonic=$(monotonic_s) boottime=$(boottime_s)
echo 0 >$alarm
echo +$suspended_s >$alarm
echo mem >/sys/power/state || fail "the node cannot be suspended"
gain=$(($(boottime_s) - boottime - $(monotonic_s) + monotonic))
((gain >= gain_s)) || fail "it was suspended for $gain s only"

for scrape in 1 2 3; do has_guest || fail "its guest is not there in scrape $scrape after $gain s"; done
expect "the containers' start times" "$started" "$(start_times)"
rejected=$(scrape | grep '^katameter_guest_frames_rejected_total.*reason="\(from_future\|counter_fell\)"')
[[ ! $rejected ]] || fail "what the guest says is rejected: $rejected"
expect "restarts" 0 "$(property $unit NRestarts)"
passed "suspended for $gain s: the guest is believed, nothing began anew"
