# shellcheck shell=bash
# The processes of one Kata-like sandbox. All of them are started here, die
# with the caller (also if that is killed), and are ended by sandbox_stop.

sandbox_pids=() sandbox_logs=()

# Starts a process of the sandbox in the background. LOG gets what it says.
sandbox_spawn() { # LOG COMMAND...
    local log=$1
    shift
    setpriv --pdeathsig TERM "$@" </dev/null >"$log" 2>&1 &
    sandbox_pids+=($!) sandbox_logs+=("$log")
}

# Waits until a file is there; false if PID ended before.
sandbox_await() { # PID FILE
    local _
    for _ in {1..500}; do
        [[ -e $2 ]] && return 0
        kill -0 "$1" 2>/dev/null || return 1
        sleep 0.02
    done
    return 1
}

start_vsock() { # WORK CLH_SOCK
    sandbox_spawn "$1/vsock.log" "$vsock_program" --guest-cid=3 \
        --uds-path="$2" --socket="$1/vsock.sock"
    sandbox_await $! "$1/vsock.sock" ||
        die "vhost-device-vsock did not start: $(tail -n 3 "$1/vsock.log")"
}

# Kata 2.1 to 2.4's virtiofsd, with Kata's arguments; it forks a second process.
start_virtiofsd() { # WORK SOURCE
    local sandbox=()
    # It shuts itself in with pivot_root, which needs / to be a mount.
    if ! awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo; then
        say "in a chroot: virtiofsd has one process here, not two"
        sandbox=(-o sandbox=chroot)
    fi
    sandbox_spawn "$1/virtiofsd.log" "$virtiofsd_program" \
        --socket-path="$1/fs.sock" -o cache=auto -o no_posix_lock \
        -o source="$2" "${sandbox[@]}" -f --thread-pool-size=1
    sandbox_await $! "$1/fs.sock" ||
        die "virtiofsd did not start: $(tail -n 3 "$1/virtiofsd.log")"
}

# Guest RAM is a shared memfd, because virtiofsd and the vsock daemon map it too.
start_qemu() { # WORK ID MEMORY KERNEL_DIR CONSOLE PIDFILE
    local accel=(-accel 'tcg,thread=multi' -cpu 'max,erms=off')
    if [[ $accelerator == kvm ]]; then
        accel=(-accel kvm -cpu host)
    fi
    sandbox_spawn "$1/qemu.log" qemu-system-x86_64 \
        -name "sandbox-$2,debug-threads=on" -machine q35 "${accel[@]}" \
        -smp 2 -m "${3}M" \
        -object "memory-backend-memfd,id=mem,size=${3}M,share=on" \
        -numa node,memdev=mem -nodefaults -display none -no-reboot \
        -chardev "file,id=console,path=$5" -serial chardev:console \
        -kernel "$4"/boot/vmlinuz-* -initrd "$1/initrd" \
        -append 'console=ttyS0 loglevel=5 panic=-1' -pidfile "$6" \
        -chardev "socket,id=fs,path=$1/fs.sock" \
        -device vhost-user-fs-pci,chardev=fs,tag=kataShared,queue-size=1024 \
        -chardev "socket,id=vsock,path=$1/vsock.sock,reconnect=0" \
        -device vhost-user-vsock-pci,chardev=vsock
    qemu_pid=$!
}

# The VMM first: without it virtiofsd ends by itself, both processes of it.
# False, with a message, if one ended other than by itself or on request.
sandbox_stop() {
    local index pid child left failed=0
    for ((index = ${#sandbox_pids[@]} - 1; index >= 0; index--)); do
        pid=${sandbox_pids[index]}
        read -r child 2>/dev/null <"/proc/$pid/task/$pid/children" || child=''
        # One that has ended already is reported with its status.
        kill -TERM "$pid" ${child:+"$child"} 2>/dev/null || :
        left=0
        wait "$pid" 2>/dev/null || left=$?
        ((left != 0 && left != 128 + 15)) || continue
        say "${sandbox_logs[index]##*/}: ended with status $left: $(tail -n 3 "${sandbox_logs[index]}")"
        failed=1
    done
    sandbox_pids=() sandbox_logs=()
    return "$failed"
}
