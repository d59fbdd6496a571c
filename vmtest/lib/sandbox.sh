# shellcheck shell=bash
# The processes of one Kata-like sandbox. All of them are started here, die
# with the caller (also if that is killed), and are ended by sandbox_stop.

sandbox_pids=() sandbox_logs=()

# Starts a process of the sandbox in the background, in the overhead's cgroup if
# there are some. LOG gets what it says.
sandbox_spawn() { # LOG COMMAND...
    local log=$1 join=()
    shift
    # shellcheck disable=SC2016 # expanded by the process itself
    [[ ! $cgroups ]] || join=(sh -c 'echo $$ >"$0"/cgroup.procs && exec "$@"' "$overhead_cgroup")
    setpriv --pdeathsig TERM "${join[@]}" "$@" </dev/null >"$log" 2>&1 &
    sandbox_pids+=($!) sandbox_logs+=("$log")
}

# A sleep that starts no process, which in an emulated node takes longer than
# what is waited for.
pause() { # SECONDS
    [[ -p $work/never ]] || mkfifo "$work/never"
    read -r -t "$1" _ <>"$work/never" || :
}

# Waits until a file is there; false if PID ended before.
sandbox_await() { # PID FILE
    local _
    for _ in {1..1000}; do
        [[ -e $2 ]] && return 0
        kill -0 "$1" 2>/dev/null || return 1
        pause 0.02
    done
    return 1
}

# The same for a line of the console that begins with TEXT.
console_has() { # TEXT
    local lines line
    mapfile -t lines <"$console"
    for line in "${lines[@]}"; do
        [[ $line != "$1"* ]] || return 0
    done
    return 1
}

start_vsock() { # SOCKET
    # In cloud-hypervisor it is a thread of the VMM; beside QEMU it is no part of
    # the sandbox.
    local overhead_cgroup=/sys/fs/cgroup
    sandbox_spawn "$work/vsock.log" "$vsock_program" --guest-cid=3 \
        --uds-path="$1" --socket="$work/vsock.sock"
    sandbox_await $! "$work/vsock.sock" ||
        die "vhost-device-vsock did not start: $(tail -n 3 "$work/vsock.log")"
}

# Kata 2.1 to 2.4's virtiofsd, with Kata's arguments; it forks a second process.
start_virtiofsd_in_c() { # SOURCE
    local sandbox=()
    # It shuts itself in with pivot_root, which needs / to be a mount.
    if ! awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo; then
        say "in a chroot: virtiofsd has one process here, not two"
        sandbox=(-o sandbox=chroot)
    fi
    fs_socket=$work/fs.sock
    sandbox_spawn "$work/virtiofsd.log" /usr/lib/qemu/virtiofsd \
        --socket-path="$fs_socket" -o cache=auto -o no_posix_lock \
        -o source="$1" "${sandbox[@]}" -f --thread-pool-size=1
    sandbox_await $! "$fs_socket" ||
        die "virtiofsd did not start: $(tail -n 3 "$work/virtiofsd.log")"
}

# Today's, of another suite. It is started as itself, not by its loader, for
# its name is looked at: the copy asks for a loader at a path that is as long as
# the one it was built with.
start_virtiofsd() { # SOCKET ARGUMENT...
    local libraries=$virtiofsd_root/usr/lib/x86_64-linux-gnu built_with=/lib64/ld-linux-x86-64.so.2
    local loader=/run//katameter-loader.so.2 listen=()
    [[ ${#loader} == "${#built_with}" ]] || die "the loader's path must have ${#built_with} characters"
    fs_socket=$1
    shift
    ln -sfn "$libraries/ld-linux-x86-64.so.2" "$loader"
    sed "s|$built_with|$loader|" "$virtiofsd_root/usr/libexec/virtiofsd" >"$work/virtiofsd"
    chmod +x "$work/virtiofsd"
    [[ " $* " != *' --fd=3 '* ]] || listen=("$here/sandbox/listen.py" "$fs_socket")
    sandbox_spawn "$work/virtiofsd.log" "${listen[@]}" env LD_LIBRARY_PATH="$libraries" "$work/virtiofsd" "$@"
    sandbox_await $! "$fs_socket" ||
        die "virtiofsd did not start: $(tail -n 3 "$work/virtiofsd.log")"
}

# What all VMMs are given: environment, processors, the guest's kernel and
# virtiofs. Guest RAM is RAM, shared because virtiofsd maps it too.
vmm_arguments() { # RAM
    local accel=(-accel 'tcg,thread=multi' -cpu 'max,erms=off') parameters='console=ttyS0 loglevel=5 panic=-1'
    if [[ $accelerator == kvm ]]; then
        accel=(-accel kvm -cpu host)
        # Kata's own for QEMU, as far as they make the kernel boot faster; and
        # noxsave, without which init dies at its first signal where QEMU
        # emulates the KVM.
        parameters+=' tsc=reliable no_timer_check rcupdate.rcu_expedited=1 noreplace-smp reboot=k cryptomgr.notests'
        parameters+=' pci=lastbus=0 noxsave'
    fi
    # shellcheck disable=SC2054 # QEMU's
    arguments_of_vmm=(
        -machine q35 "${accel[@]}" -smp "$cpus" -m "${memory}M"
        -object "$1,id=mem,size=${memory}M,share=on"
        -numa node,memdev=mem -nodefaults -display none
        -kernel "$kernel_dir"/boot/vmlinuz-* -initrd "$initrd"
        -append "$parameters"
        -chardev "socket,id=fs,path=$fs_socket"
        -device vhost-user-fs-pci,chardev=fs,tag=kataShared,queue-size=1024)
    vmm_environment=()
    [[ ! $preload ]] || vmm_environment=(env "LD_PRELOAD=$preload")
}

# In cloud-hypervisor's place: by its name below the shim, with its vsock, and its VMM goes on when the guest reboots.
start_cloud_hypervisor() { # PIDFILE
    local program=qemu-system-x86_64
    if [[ $shim ]]; then
        program=$work/cloud-hypervisor
        ln -s "$(command -v qemu-system-x86_64)" "$program"
    fi
    vmm_arguments memory-backend-memfd
    sandbox_spawn "$work/qemu.log" "${vmm_environment[@]}" "$program" -name "sandbox-$id,debug-threads=on" \
        "${arguments_of_vmm[@]}" -pidfile "$1" \
        -chardev "file,id=console,path=$console" -serial chardev:console \
        -chardev "socket,id=vsock,path=$work/vsock.sock,reconnect=0" \
        -device vhost-user-vsock-pci,chardev=vsock
    qemu_pid=$!
}

start_qemu() { # DIRECTORY ARGUMENT...
    vmm_arguments memory-backend-file,mem-path=/dev/shm
    sandbox_spawn "$work/qemu.log" "$here/sandbox/listen.py" "$1/qmp.sock" "${vmm_environment[@]}" \
        qemu-system-x86_64 -name "sandbox-$id" -no-reboot \
        "${arguments_of_vmm[@]}" "${@:2}" \
        -chardev "file,id=log,path=$console" -serial chardev:log \
        -chardev "socket,id=console,path=$1/console.sock,server=on,wait=off" -device "vhost-vsock-pci,guest-cid=$cid"
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
