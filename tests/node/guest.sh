# shellcheck shell=dash disable=SC2016,SC3045,SC1090,SC1091,SC2154
# What runs in the guests of these tests, by busybox sh: does what the test
# writes to $SHARED/N.do, one after the other, and puts what it prints into
# $SHARED/N.done, with its exit status as the last line.

. /containers.sh

# Wants a CPU for so many seconds; no process is started for it.
burn='
    read -r up _ </proc/uptime; end=$((${up%.*} + SECONDS_TO_BURN))
    while [ "${up%.*}" -lt "$end" ]; do
        i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done
        read -r up _ </proc/uptime
    done'
burn_in() { # ID SECONDS
    export SECONDS_TO_BURN="$2"
    run_in "$1" "$burn"
}

# Wants a CPU and sleeps by turns, so many times; some of it in new processes.
mix='
    n=0
    while [ $n -lt "$TURNS" ]; do
        i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done
        dd if=/dev/zero of=/dev/null bs=512 count=500 2>/dev/null
        read -r -t 0.05 _ <>/tmp/never
        n=$((n + 1))
    done'
mix_in() { # ID TURNS
    export TURNS="$2"
    run_in "$1" "$mix"
}

# In nanoseconds, as finely as its kernel counts it.
cpu_of() { # ID
    if [ "$CGROUP" = v2 ]; then
        echo "$(awk '/^usage_usec/ { print $2 }' "$root/cri-containerd/$1/cpu.stat")000"
    else
        cat "$root/cpu,cpuacct/cri-containerd/$1/cpuacct.usage"
    fi
}

# A sleep that starts no process.
mkfifo /tmp/never
number=1
while :; do
    until [ -e "$SHARED/$number.do" ]; do
        read -r -t 0.3 _ <>/tmp/never
    done
    mv "$SHARED/$number.do" /tmp/do # a guest that has rebooted does it no more
    (. /tmp/do) >/tmp/said 2>&1
    echo $? >>/tmp/said
    cp /tmp/said "$SHARED/$number.part"
    mv "$SHARED/$number.part" "$SHARED/$number.done"
    number=$((number + 1))
done
