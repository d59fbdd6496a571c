# shellcheck shell=bash
# Sourced by what measures, in the guest and on the host.

# Waits until FILE has TEXT, 100 s at most.
wait_for() { # TEXT FILE
    local i
    for ((i = 0; i < 1000; ++i)); do
        ! grep -qs "$1" "$2" || return 0
        sleep 0.1
    done
    echo "no '$1' in $2:" >&2
    cat "$2" >&2
    return 1
}
