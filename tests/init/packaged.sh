#!/bin/bash
# The Debian packages installed, upgraded, removed and purged under a running
# systemd: whether a service does each time what Debian has services do. Runs in
# a guest in which nothing of ours is but what prepare_packages.sh brings.

. "${BASH_SOURCE[0]%/*}/in_guest.sh"
host=katameter-host-probe
guest=katameter-guest-probe
when_failed=("cat /run/dpkg" "systemctl --no-pager status $host $guest" "journalctl --no-pager -n 30 -u $host")

# Packages of the two versions. The libraries are there without packages of their own.
install_packages() { # DEB...
    dpkg --install --force-depends --force-unsafe-io "$@" >/run/dpkg 2>&1 || fail "dpkg --install $*"
}
cd /usr/lib/vmtest || fail "no packages"
state_of() { # UNIT
    printf '%s %s' "$(systemctl is-active "$1")" "$(systemctl is-enabled "$1")"
}
# Every file and link but what dpkg and the system write for themselves.
list_files() {
    find / -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /var/lib/systemd/random-seed \) -prune \
        -o ! -type d -print | sort
}

guest_serves() {
    # Without a capability it can only ask the one that runs.
    setpriv --inh-caps -all --bounding-set -all guest-probe dump >/dev/null 2>&1
}
invocations() {
    systemctl show --value -p InvocationID $host $guest
}

mount -o remount,rw /
list_files >/run/before
install_packages first/*.deb
expect "host-probe" "active enabled" "$(state_of $host)"
# Nothing is waited for: that it was ready is what dpkg has waited for.
has_host_figures || fail "no scrape when dpkg has returned"
# For the next boot: a machine on which images are made does not start their services.
expect "guest-probe" "inactive enabled" "$(state_of $guest)"
passed "installed: host-probe is enabled and serves, guest-probe is enabled"

systemctl start $guest
earlier=$(invocations)
install_packages later/*.deb
expect "host-probe" "active enabled" "$(state_of $host)"
has_host_figures || fail "no scrape when dpkg has returned"
expect "guest-probe" "active enabled" "$(state_of $guest)"
for invocation in $(invocations); do
    [[ $earlier != *"$invocation"* ]] || fail "not both were restarted: $earlier before, $(invocations) after"
done
within 60 guest_serves || fail "guest-probe does not serve after the upgrade"
passed "upgraded: both restarted, and serve"

# What the administrator has decided stays.
systemctl disable --now $host 2>/dev/null
install_packages later/katameter-host_*.deb
expect "host-probe" "inactive disabled" "$(state_of $host)"
passed "disabled, and left alone by the next upgrade"
systemctl enable --now $host 2>/dev/null

pids="$(property $host MainPID) $(property $guest MainPID)"
dpkg --remove katameter-host katameter-guest >/run/dpkg 2>&1 || fail "dpkg --remove"
for pid in $pids; do
    [[ ! -e /proc/$pid ]] || fail "a process of theirs is there after removal: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
done
! scrape || fail "the port is open after removal"
for unit in $host $guest; do
    expect "$unit" not-found "$(property "$unit" LoadState)"
done
left=$(find /sys/fs/bpf -mindepth 1 ! -name '*.*')
[[ ! $left ]] || fail "removal left $left"
[[ -e /etc/katameter/host-probe.conf ]] || fail "removed, not purged, and yet its configuration is gone"
passed "removed: both stopped, their units gone"

dpkg --purge katameter-host katameter-guest >/run/dpkg 2>&1 || fail "dpkg --purge"
left=$(list_files | diff /run/before -) || fail "purged, and this differs from before: $left"
for path in /etc/katameter /var/lib/katameter /run/katameter; do
    [[ ! -e $path ]] || fail "purged, and $path is there"
done
expect "failed units" "" "$(systemctl list-units --failed --plain --no-legend 'katameter*')"
passed "purged: nothing left"
