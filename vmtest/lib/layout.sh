# shellcheck shell=bash disable=SC2034,SC2154
# What each of Kata's layouts has where, and how it starts its processes; from
# sandbox.sh's $dir, $id, $work and options.
#
#   clh       run/vc/vm/ID/clh.sock            hybrid vsock
#   clh-rs    run/kata/ID/ch-vm.sock           hybrid vsock
#   qemu      run/vc/vm/ID/{qmp,console,vhost-fs}.sock, pid
#   qemu-rs   run/kata/ID/root/{console,virtiofsd}.sock
#   Go        run/vc/sbs/ID                    sandbox storage
#   Rust      run/kata/ID/state.json
#   both      run/kata-containers/shared/sandboxes/ID    virtiofs source

# Sets $vm (the directory), $storage, $shared and $share (what virtiofs
# exports), $socket (the hybrid vsock, or empty), $pod_cgroup and
# $overhead_cgroup.
layout_of_go() {
    vm=$dir/run/vc/vm/$id
    storage=$dir/run/vc/sbs/$id
    shared=$dir/run/kata-containers/shared/sandboxes/$id
    share=$shared/shared
    pod_cgroup=/sys/fs/cgroup/kubepods-burstable-pod$pod_uid.slice:cri-containerd:$id
    overhead_cgroup=/sys/fs/cgroup/kata_overhead/$id
}

layout_of_rust() {
    vm=$dir/run/kata/$id
    storage=$vm/root
    shared=$dir/run/kata-containers/shared/sandboxes/$id
    share=$shared/ro
    local slices=kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$pod_uid.slice
    pod_cgroup=/sys/fs/cgroup/$slices/cri-containerd-$id.scope
    overhead_cgroup=$pod_cgroup
}

socket_is() { # PATH
    socket=$1
    ((${#socket} <= 107)) || die "$socket has ${#socket} characters, a socket may" \
        "have 107: choose a --dir that is $((${#socket} - 107)) shorter"
}

set_layout() {
    pod_uid=${id:0:8}_${id:8:4}_${id:12:4}_${id:16:4}_${id:20:12} socket=''
    case $layout in
    clh | qemu) layout_of_go ;;
    *) layout_of_rust ;;
    esac
    case $layout in
    clh) socket_is "$vm/clh.sock" ;;
    clh-rs) socket_is "$vm/ch-vm.sock" ;;
    esac
}

start_layout() {
    case $layout in
    clh)
        start_vsock "$socket"
        start_virtiofsd_in_c "$share"
        start_cloud_hypervisor "$vm/pid"
        ;;
    clh-rs)
        start_vsock "$socket"
        start_what_rust_has
        start_cloud_hypervisor "$work/pid"
        ;;
    qemu)
        start_virtiofsd "$vm/vhost-fs.sock" --cache=auto --shared-dir="$share" --fd=3 --thread-pool-size=1 \
            --announce-submounts
        start_qemu "$vm" -qmp unix:fd=3,server=on,wait=off -pidfile "$vm/pid"
        ;;
    qemu-rs)
        start_what_rust_has
        start_qemu "$storage" -qmp unix:fd=3,server=on,wait=off
        ;;
    esac
}

start_what_rust_has() {
    echo '{}' >"$vm/state.json"
    start_virtiofsd "$storage/virtiofsd.sock" --socket-path "$storage/virtiofsd.sock" \
        --shared-dir "$share" --cache auto --thread-pool-size=1 -o announce_submounts
}

# The cgroups of a pod, with the controllers that systemd would have enabled.
make_cgroups() {
    local cgroup parent rest
    for cgroup in "$pod_cgroup" "$overhead_cgroup"; do
        mkdir -p "$cgroup"
        parent=/sys/fs/cgroup
        while [[ $parent != "$cgroup" ]]; do
            echo '+cpu +memory +pids' >"$parent/cgroup.subtree_control"
            rest=${cgroup#"$parent/"}
            parent=$parent/${rest%%/*}
        done
    done
}

remove_cgroups() {
    local cgroup pid
    # The shim, which may have been killed, and this process below it are still in one of them.
    for pid in $$ ${shim:+"$PPID"}; do
        echo "$pid" 2>/dev/null >/sys/fs/cgroup/cgroup.procs || :
    done
    for cgroup in "$pod_cgroup" "$overhead_cgroup"; do
        while [[ $cgroup != /sys/fs/cgroup ]] && rmdir "$cgroup" 2>/dev/null; do cgroup=${cgroup%/*}; done
    done
}

# Becomes the shim, which runs sandbox.sh again with the arguments in a file.
become_shim() {
    printf '%s\0' "${arguments[@]}" >"$work/arguments"
    cp "$shim" "$work/containerd-shim-kata-v2" # not a link: the name of the file itself is looked at
    [[ ! $cgroups ]] || echo $$ >"$overhead_cgroup/cgroup.procs"
    export KATAMETER_SHIM_RUNS=$here/sandbox.sh KATAMETER_SANDBOX_ARGUMENTS=$work/arguments
    local of_id=(-id "$id") rest=(-namespace k8s.io -address /run/containerd/containerd.sock -publish-binary '')
    if [[ $layout == *-rs ]]; then
        exec "$work/containerd-shim-kata-v2" "${of_id[@]}" "${rest[@]}"
    fi
    exec "$work/containerd-shim-kata-v2" "${rest[@]}" "${of_id[@]}"
}
