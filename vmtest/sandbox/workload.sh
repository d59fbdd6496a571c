#!/bin/sh
# The demo's workload, run by busybox sh in the guest of vmtest/sandbox.sh:
# three containers, where Kata 2.x on a systemd node has them.
#
#   5afe...  steady: a few percent of a CPU, 8 MiB of its own memory, 4 MiB of
#            page cache, read and written through virtiofs
#   cede...  throttled: wants a whole CPU, has a quota of 20 %
#   dead...  has a limit of 24 MiB; asks for 64 MiB two seconds after it was
#            started, is OOM-killed, and is started again in the same cgroup
# Each id is its four digits sixteen times over.

# shellcheck disable=SC1091 # the guest's
. /containers.sh

repeat() { # DIGITS
    printf "$1%.0s" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
}
steady=$(repeat 5afe)
throttled=$(repeat cede)
greedy=$(repeat dead)

make_container "$steady"
make_container "$throttled"
make_container "$greedy"
limit_cpu "$throttled" 20
limit_memory "$greedy" 24

# dd holds its 8 MiB while it waits for the pipe to be read, which is never.
# The fifo is a sleep that starts no process.
export STEADY_DIR="$SHARED/$steady"
mkdir -p "$STEADY_DIR"
# shellcheck disable=SC2016 # expanded by the container's shell
run_in "$steady" '
    mkfifo /tmp/never
    dd if=/dev/zero bs=8M count=1 2>/dev/null | sleep 2147483647 &
    while :; do
        dd if=/dev/zero of="$STEADY_DIR/data" bs=64k count=64 conv=notrunc 2>/dev/null
        cat "$STEADY_DIR/data" >/dev/null
        i=0
        while [ $i -lt 1000 ]; do i=$((i + 1)); done
        read -t 1 _ <>/tmp/never
    done' &

run_in "$throttled" 'while :; do :; done' &

while :; do
    run_in "$greedy" 'sleep 2; exec dd if=/dev/zero of=/dev/null bs=64M' &
    wait $!
    echo "workload: dead... ended with status $?, $(oom_kills "$greedy")"
done
