# shellcheck shell=bash
# virtme-ng: boots a kernel on the host's own file system. What it wants of the
# host and would not find on a bare one is dealt with here.

# Sets virtme_* for virtme_run: everything is fetched before anything runs.
virtme_prepare() { # KERNEL NESTED
    local need
    for need in qemu-system-x86_64 python3 file busybox; do
        command -v "$need" >/dev/null ||
            die "$need is missing: run scripts/packages.sh vm"
    done
    virtme_kernel=$("$here/kernels/fetch.sh" "$1")
    virtme_program=$("$here/tools/fetch.sh" virtme-ng)/bin/virtme-ng
    virtme_virtiofsd=$("$here/tools/fetch.sh" virtiofsd)/bin
    virtme_accel=$("$here/accel.sh")
    if [[ $2 && $virtme_accel == kvm ]] && ! grep -qsx '[1Y]' /sys/module/kvm_{amd,intel}/parameters/nested; then
        say "this machine's KVM does not nest: its guest is emulated"
        virtme_accel=tcg
    fi
    local path
    for path in "$here" "$virtme_kernel"; do
        # The guest mounts its own file systems there.
        case $path/ in
        /run/* | /dev/* | /proc/* | /sys/* | /var/log/*)
            die "$path would not be visible in the guest" ;;
        *[[:space:]]*)
            die "'$path' has a space, which the kernel's command line cannot carry" ;;
        esac
    done
}

# Runs JOB/command in the guest; its stdin, stdout, stderr and exit status are
# the caller's. virtme-ng's initramfs, which it would leave out where there are no
# modules, takes the first init= there is, so ours comes before its own; --script-sh makes it set up the ports for input, output
# and exit status. Meant to be run in the background: it becomes the process that
# holds all others of the VM, and ends them on SIGTERM.
virtme_run() { # TIMEOUT MEMORY CPUS POSSIBLE_CPUS JOB CGROUP ICOUNT NODES PARAMETER...
    local limit=$1 memory=$2 cpus=$3 possible=$4 job=$5 cgroup=$6 icount=$7 nodes=$8
    local accel=() cpu=() device=() numa=() parameters=() parameter node
    shift 8
    for parameter; do parameters+=(--kopt "$parameter"); done
    for ((node = 0; nodes > 1 && node < nodes; node++)); do numa+=(--numa "$((memory / nodes))M"); done
    if [[ $virtme_accel == tcg ]]; then
        accel=(--disable-kvm)
        # At boot the kernel panics if its timer does not tick while the processor's clock runs, and an emulator that waits
        # for a CPU of this machine does not tick. Under KVM the kernel does not look.
        parameters+=(--kopt no_timer_check)
        # Without KVM, ERMS makes the kernel use rep movsb, which is emulated
        # byte by byte; everything else of the newest CPU model is welcome.
        cpu=(-cpu 'max,erms=off')
        [[ ! $icount ]] || cpu+=(-icount shift=0)
    elif [[ $icount ]]; then
        die "--icount: KVM does not count instructions"
    fi
    [[ ! -S $job/share.socket ]] ||
        device=(-chardev "socket,id=share,path=$job/share.socket" -device "vhost-user-fs-pci,chardev=share,tag=share")
    # maxcpus alone is not enough: of those that have no socket to go to the guest
    # is not told.
    ((possible == cpus)) || cpu+=(-smp "$cpus,sockets=$possible,cores=1,threads=1,maxcpus=$possible")
    # The Rust virtiofsd has to be the first one found, for Debian 12's own is
    # the C one, whose options differ. virtme sends the console to /dev/null; here it is kept.
    # If the caller is killed, nothing of the VM outlives it.
    # shellcheck disable=SC2093
    TMPDIR=$job PATH=$virtme_virtiofsd:$PATH exec \
        setpriv --pdeathsig TERM timeout --kill-after=5 "$limit" \
        "$virtme_program" \
        --kimg "$virtme_kernel"/boot/vmlinuz-* --mods auto \
        --disable-microvm --force-initramfs "${accel[@]}" \
        --memory "$((memory / nodes * nodes))M" "${numa[@]}" --cpus "$cpus" --overlay-rwdir /tmp \
        --kopt "init=$here/guest/vm-init.sh" \
        --kopt "JOB=$job" --kopt "KATAMETER_CGROUP=$cgroup" \
        --kopt loglevel=4 --kopt softlockup_panic=1 "${parameters[@]}" --script-sh true \
        --qemu-opts -set "chardev.console.path=$job/console" "${cpu[@]}" \
        "${device[@]}" -netdev user,id=network,restrict=on -device virtio-net-pci,netdev=network,romfile=
}
