#!/bin/bash
# usage: vmtest/vm.sh --kernel VERSION [OPTION...] -- COMMAND [ARG...]
#
# Boots a kernel with this machine's file system as its root (read-only; what
# the guest writes to /tmp, /etc, /var and /lib stays in the guest), runs
# COMMAND there as root in the current directory, and powers off. Arguments
# arrive as given; the environment is the guest's own.
#
#   --kernel VERSION   one of vmtest/kernels/table, e.g. 5.10.262 (required)
#   --cgroup v1|v2|v2-bare
#                      v1: every controller at /sys/fs/cgroup/NAME, cpu,cpuacct
#                      together, memory.use_hierarchy=1, as the Kata agent
#                      does. v2: one hierarchy at /sys/fs/cgroup with all its
#                      controllers enabled, as the agent leaves it once there
#                      is a container. v2-bare: none enabled, as the agent
#                      leaves it at boot. Default: v1 before 6.12, else v2
#   --memory MIB       memory of the guest (default 1024)
#   --cpus N           CPUs of the guest (default 2; with --nested and without KVM 1)
#   --possible-cpus N  CPUs the guest may come to have, 255 at most: the others
#                      are not plugged in. Kata gives a guest as many as its
#                      node has (default: those of --cpus). Without KVM kernels
#                      of 2026 (6.12.117, 7.3) do not believe in them: 125
#   --numa N           the memory is that of N NUMA nodes, in equal parts (default 1)
#   --append TEXT      parameters for the kernel, such as "psi=1 preempt=full";
#                      may be repeated
#   --timeout S        for boot and COMMAND together (default 300)
#   --icount           the guest's clock counts instructions, one ns each, while
#                      it is busy: what is measured in it does not depend on
#                      what else runs here. One CPU (QEMU hangs with more);
#                      not with KVM
#   --systemd ROOT     systemd of the directory ROOT, a root that this user may read,
#                      is pid 1, and COMMAND one of its services: to COMMAND this
#                      machine's file system is still the root, and that of
#                      systemd, which it can write to, is /proc/1/root. Both have
#                      the same /proc, /sys, /dev and /run
#   --nested           with KVM in the guest, for VMs of its own: node.sh
#   --share            a virtiofs of its own that can be written, with the tag
#                      "share": an empty directory, served with the options
#                      that Kata gives virtiofsd
#   --verbose          kernel messages to stderr, from the start
#
# /proc, /sys, /dev, bpf at /sys/fs/bpf are mounted, lo is up; there is a virtio
# network device that reaches nothing but its gateway. Stdout and
# stderr are COMMAND's; its stdin is empty. Exit status: that of COMMAND;
# 124 after a timeout, 125 if the guest did not come up, 255 if it died while
# COMMAND ran; these three say so on stderr.

set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../scripts/lib/say.sh"
. "$here/lib/virtme.sh"

options=" $*"
[[ ! ${options%% -- *} =~ ' '--kernel' '[^' ']*-arm64 ]] || exec "$here/arm64.sh" "$@"
kernel='' cgroup='' memory=1024 cpus='' possible='' nodes=1 append=() limit=300 icount='' nested='' share='' verbose=''
while (($#)); do
    case $1 in
    --kernel) need_value "$@" && kernel=$2 && shift ;;
    --cgroup) need_value "$@" && cgroup=$2 && shift ;;
    --memory) need_value "$@" && memory=$2 && shift ;;
    --cpus) need_value "$@" && cpus=$2 && shift ;;
    --possible-cpus) need_value "$@" && possible=$2 && shift ;;
    --numa) need_value "$@" && nodes=$2 && shift ;;
    --append)
        need_value "$@"
        read -r -a words <<<"$2"
        append+=("${words[@]}")
        shift
        ;;
    --timeout) need_value "$@" && limit=$2 && shift ;;
    --icount) icount=yes ;;
    --systemd) need_value "$@" && append+=("KATAMETER_SYSTEMD=$(realpath "$2")") && shift ;;
    --nested) nested=yes ;;
    --share) share=yes ;;
    --verbose) verbose=yes ;;
    -h | --help) help_from_header && exit 0 ;;
    --) shift && break ;;
    *) die "unknown argument '$1' (see --help; COMMAND comes after --)" ;;
    esac
    shift
done
[[ $kernel ]] || die "--kernel is missing (see --help)"
(($#)) || die "no command after -- (see --help)"
for number in memory limit nodes ${cpus:+cpus} ${possible:+possible}; do
    [[ ${!number} =~ ^[1-9][0-9]*$ ]] || die "'${!number}' is not a number for $number"
done
if [[ ! $cgroup ]]; then
    case $kernel in kata-like-6.18*) cgroup=v2 ;; 5.* | 6.1 | kata-like*) cgroup=v1 ;; *) cgroup=v2 ;; esac
fi
[[ $cgroup =~ ^(v1|v2|v2-bare)$ ]] || die "--cgroup is v1, v2 or v2-bare, not '$cgroup'"

virtme_prepare "$kernel" "$nested"
# Now and then QEMU's SVM loses an interrupt of the timer. One that is set anew each time is never set again then, and the
# node sleeps for good; one that goes on by itself does.
[[ ! $nested || $virtme_accel != tcg ]] || append+=(nohz=off highres=off)
[[ $cpus && ! $icount ]] || cpus=$([[ $icount || ($nested && $virtme_accel == tcg) ]] && echo 1 || echo 2)
possible=${possible:-$cpus}
((possible >= cpus && possible <= 255)) || die "--possible-cpus is from --cpus, which is $cpus, to 255, not $possible"

# The job: what the guest is to do, and what its console said. /tmp, because
# the guest sees it and its name is short enough for sockets.
job=$(mktemp -d /tmp/katameter-vm.XXXXXX)
runner=''

share_pid=''
finish() {
    local left=0
    if [[ $runner ]] && kill -TERM "$runner" 2>/dev/null; then
        wait "$runner" || left=$?
        # 1 is what virtme-ng ends with at a signal.
        ((left <= 1 || left == 128 + 15)) || say "virtme-ng ended with status $left"
    fi
    [[ ! $share_pid ]] || kill "$share_pid" 2>/dev/null || :
    rm -rf "$job"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

marker="guest-is-up $$ $RANDOM$RANDOM"
range=0-$((possible - 1))
[[ $possible != 1 ]] || range=0
{
    # The kernel may take less than QEMU offers, and would not say so.
    # shellcheck disable=SC2016 # the guest's
    printf 'read -r range </sys/devices/system/cpu/possible
        [[ $range == %q ]] || { echo "vm.sh: the possible CPUs are $range, not %q" >&2; exit 1; }\n' \
        "$range" "$range"
    printf 'echo %q\ncd %q 2>/dev/null || cd /\nexec' "$marker" "$PWD"
    printf ' %q' "$@"
    printf '\n'
} >"$job/command"

# The guest's first line says that it is up; the rest is COMMAND's. Its output
# must go through pipes: QEMU would truncate a file.
pass_stdout() {
    local line
    IFS= read -r line || return 0
    if [[ $line == "$marker" ]]; then
        : >"$job/up"
    else
        printf '%s\n' "$line"
    fi
    exec cat
}
mkfifo "$job/stdout" "$job/stderr"
pass_stdout <"$job/stdout" &
stdout_pid=$!
# What QEMU says is of interest only if something went wrong.
sed -u -e "/^qemu-system-x86_64: /{w $job/qemu" -e 'd}' <"$job/stderr" >&2 &
stderr_pid=$!

if [[ $verbose ]]; then
    : >"$job/console"
    tail -f --pid=$$ "$job/console" >&2 &
fi

# It ends with the VM.
if [[ $share ]]; then
    mkdir "$job/share"
    "$virtme_virtiofsd/virtiofsd" --socket-path="$job/share.socket" --shared-dir="$job/share" --cache=auto \
        --thread-pool-size=1 --announce-submounts >"$job/virtiofsd" 2>&1 </dev/null &
    share_pid=$!
    for ((i = 0; i < 100; i++)); do
        [[ ! -S $job/share.socket ]] || break
        sleep 0.1
    done
    [[ -S $job/share.socket ]] || die "virtiofsd does not serve: $(<"$job/virtiofsd")"
fi

SECONDS=0
virtme_run "$limit" "$memory" "$cpus" "$possible" "$job" "$cgroup" "$icount" "$nodes" "${append[@]}" \
    >"$job/stdout" 2>"$job/stderr" </dev/null &
runner=$!
status=0
wait "$runner" || status=$?
runner=''
for filter in "$stdout_pid" "$stderr_pid"; do
    wait "$filter" || say "not all of the output could be passed on"
done

console_tail() {
    say "the end of its console:"
    cat "$job/qemu" <(tail -n 40 "$job/console") 2>/dev/null | sed 's/^/    /' >&2
}
if ((status == 124 || status == 137)) && ((SECONDS >= limit)); then
    say "timeout: not done after $limit s"
    [[ -e $job/up ]] || console_tail
    exit 124
elif [[ ! -e $job/up ]]; then
    say "the guest ($kernel) did not start"
    console_tail
    exit 125
elif ((status == 255)) && grep -qs 'Kernel panic' "$job/console"; then
    say "the guest ($kernel) died while the command ran"
    console_tail
fi
exit "$status"
