# shellcheck shell=bash
# What the scripts that run in a guest share. The first thing that is wrong ends them.

fail() {
    echo "FAILED: $*"
    for show in "${when_failed[@]}"; do
        echo "--- $show"
        $show
    done
    exit 1
}
when_failed=()

passed() {
    echo "passed at $(cut -d' ' -f1 /proc/uptime) s: $*"
}

# Tries a command ten times a second until it succeeds.
within() { # SECONDS COMMAND...
    local end=$((SECONDS + $1 + 1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

property() { # UNIT NAME
    systemctl show --value -p "$2" "$1"
}

# A line of /proc/PID/status.
status_of() { # PID KEY
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# GET /metrics of host-probe with nothing but bash.
scrape() {
    exec 3<>/dev/tcp/127.0.0.1/9717 || return 1
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
    cat <&3
    exec 3>&-
} 2>/dev/null
has_host_figures() {
    scrape | grep -q '^katameter_collector_success{collector="processes"} 1'
}

expect() { # WHAT EXPECTED FOUND
    [[ $3 == "$2" ]] || fail "$1 is '$3', not '$2'"
}
