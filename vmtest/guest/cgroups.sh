# shellcheck shell=sh
# The guest's cgroup file systems, mounted as the Kata agent does it when it is
# the guest's init. Of v2 the agent enables no controller at boot: they come
# with the first container, in the cgroups above it. Here they are there from the
# start, but for v2-bare. Shared by the guests of vm.sh and sandbox.sh; busybox sh.

# One v1 hierarchy; no directory is left where the kernel has it not.
mount_v1() { # CONTROLLERS
    mkdir -p "/sys/fs/cgroup/$1"
    busybox mount -t cgroup -o "nosuid,nodev,noexec,$1" cgroup "/sys/fs/cgroup/$1" 2>/dev/null ||
        rmdir "/sys/fs/cgroup/$1"
}

mount_cgroups() { # v1|v2|v2-bare
    if [ "$1" != v1 ]; then
        busybox mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
        [ "$1" = v2 ] || return 0
        read -r controllers </sys/fs/cgroup/cgroup.controllers
        # One by one: one that cannot be enabled leaves the others alone.
        for controller in $controllers; do
            echo "+$controller" 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control
        done
        return 0
    fi
    busybox mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for controllers in cpu,cpuacct memory pids cpuset blkio devices freezer \
        net_cls,net_prio perf_event hugetlb; do
        mount_v1 $controllers
    done
    if [ -d /sys/fs/cgroup/memory ]; then
        echo 1 >/sys/fs/cgroup/memory/memory.use_hierarchy
    fi
}
