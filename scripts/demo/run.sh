# shellcheck shell=bash
# The pieces of scripts/demo.sh: its processes, its scrapes, its table.

# The demo's sandbox: "b0d0", sixteen times. What runs in it, and under which
# ids, is in vmtest/sandbox/workload.sh.
demo_sandbox_id=$(printf 'b0d0%.0s' {1..16})
demo_legend='5afe: steady; cede: wants a CPU, may have 20 %; dead: OOM-killed every few seconds'

sandbox_pid='' probe_pid='' top_pid=''

# How host-probe is started: the one place that knows its arguments.
host_probe_command() { # DIR OUT PORT
    printf '%s\0' build/bin/host-probe --run-root "$1/run" \
        --web.listen-address "127.0.0.1:$3" --state-file "$2/overhead.json" run
}

port_is_used() { # PORT
    (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start_sandbox() { # DIR OUT
    local line
    mkfifo "$1/ready"
    setpriv --pdeathsig TERM vmtest/sandbox.sh --id "$demo_sandbox_id" --dir "$1" \
        --console "$PWD/$2/console.log" >"$1/ready" &
    sandbox_pid=$!
    # End of file without a line: it has said why on stderr.
    IFS= read -r line <"$1/ready" || die "the sandbox did not start"
    [[ $line == ready ]] || die "the sandbox printed '$line' instead of 'ready'"
}

start_host_probe() { # DIR OUT PORT
    local command
    mapfile -d '' -t command < <(host_probe_command "$1" "$2" "$3")
    rm -f "$2/overhead.json" # of an earlier demo
    host_probe_log=$2/host-probe.log
    setpriv --pdeathsig TERM "${command[@]}" >"$host_probe_log" 2>&1 </dev/null &
    probe_pid=$!
}

# False, with what is known, if one of the two has ended.
still_running() {
    if ! kill -0 "$probe_pid" 2>/dev/null; then
        say "host-probe has ended; the end of $host_probe_log:"
        tail -n 10 "$host_probe_log" | sed 's/^/    /' >&2
        return 1
    fi
    kill -0 "$sandbox_pid" 2>/dev/null || {
        say "the sandbox has ended"
        return 1
    }
}

scrape() { # URL FILE
    curl -fsS --max-time 5 -o "$2" "$1" || {
        still_running || exit 1
        die "$1 does not answer"
    }
}

await_containers() { # URL DIR COUNT
    local found=0
    for _ in {1..150}; do
        still_running || exit 1
        if curl -fs --max-time 5 -o "$2/await.prom" "$1"; then
            found=$(awk '/^container_memory_usage_bytes[{]/ { n++ } END { print n + 0 }' "$2/await.prom")
            ((found < $3)) || return 0
        fi
        sleep 0.2
    done
    die "$1 shows $found of $3 containers after 30 s (see $host_probe_log)"
}

# Waits for SECONDS, over which its rates are, and leaves the table in FILE.
# Not in the foreground: bash handles traps only between commands and in wait.
make_table() { # PORT SECONDS FILE
    build/bin/host-probe top --json --address "127.0.0.1:$1" --interval "$2" >"$3.json" &
    top_pid=$!
    wait "$top_pid" || {
        top_pid='' # it has ended, and printed its error
        still_running || exit 1
        die "host-probe top failed (see above)"
    }
    top_pid=''
    {
        scripts/demo/table.py <"$3.json"
        printf '\n%s\n' "$demo_legend"
    } >"$3"
    still_running || exit 1
}

# On every way out: ends what was started, waits for it, removes the rest. What
# does not end as it was asked to is a failure of the demo.
stop_demo() {
    local status=$? process pid left how
    trap '' INT TERM HUP
    for process in "top $top_pid" "host-probe $probe_pid" "sandbox $sandbox_pid"; do
        pid=${process#* } left=0 how=''
        [[ $pid ]] || continue
        kill -TERM "$pid" 2>/dev/null || how=' by itself'
        # bash reports each that a signal ends.
        wait "$pid" 2>/dev/null || left=$?
        if ((left != 0 && left != 128 + 15 && left != 128 + 2)); then
            say "${process% *} ended$how with status $left"
            ((status)) || status=1
        fi
    done
    rm -rf "$dir"
    exit "$status"
}
