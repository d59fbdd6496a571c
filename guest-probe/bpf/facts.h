#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/result.h"

namespace katameter::guest {

/// The CPU numbers of a list as the kernel writes it, rising: "0-3,8\n" gives 0 1 2 3 8 (lib/bitmap.c, %*pbl).
/// An error if the text is not such a list, or has a number above 65,535.
Result<std::vector<int>> parse_cpu_list(std::string_view text);

/// The list in a file of /sys/devices/system/cpu: "possible", "online". The numbers need not be dense.
Result<std::vector<int>> read_cpu_list(const std::string& name);

/// What the running kernel has of what guest-probe needs. Facts only: plan_guest() draws the conclusions.
/// Kernel versions are not among them, for distributions backport.
struct KernelFacts {
  bool btf = false;          ///< /sys/kernel/btf/vmlinux can be read (CONFIG_DEBUG_INFO_BTF)
  bool may_load = false;     ///< a raw_tp program that reads the kernel's memory loads
  int load_errno = 0;        ///< why not: EPERM = no privilege, EINVAL = no CONFIG_BPF_EVENTS, or locked_down
  bool locked_down = false;  ///< one that reads nothing does: lockdown=confidentiality refuses the helper
  bool ring_buffer = false;  ///< a ring buffer map can be made (5.8)

  bool direct_reads = false;  ///< a program that calls bpf_rdonly_cast() loads (6.2, with the JIT)

  bool cpuacct = false;       ///< struct cpuacct and cpuacct_cgrp_id (CONFIG_CGROUP_CPUACCT)
  bool memory = false;        ///< struct mem_cgroup and memory_cgrp_id (CONFIG_MEMCG)
  bool memory_stat = false;   ///< rss, cache ... are kept in one of the ways of bpf/guest/memory.bpf.h
  bool compact_stat = false;  ///< their positions may be in a table of the kernel (6.1)
  bool bandwidth = false;     ///< struct task_group has cfs_bandwidth (CONFIG_CFS_BANDWIDTH)
  bool pids = false;          ///< struct pids_cgroup and pids_cgrp_id (CONFIG_CGROUP_PIDS)
  bool cpuset = false;        ///< struct cpuset and cpuset_cgrp_id (CONFIG_CPUSETS)
  bool base_stat = false;     ///< struct cgroup has bstat: cgroup v2 counts CPU time without a controller (4.15)
  bool block_io = false;      ///< struct blkcg_gq has iostat_cpu: block I/O is counted by cgroup (CONFIG_BLK_CGROUP)
  bool block_io_v2_only = false;  ///< in cgroup v2 only, as since 6.2 (3b8cc6298724)
  bool hugetlb = false;           ///< struct hugetlb_cgroup and hugetlb_cgrp_id (CONFIG_CGROUP_HUGETLB)
  bool numa = false;              ///< struct mem_cgroup_per_node says how long its lists are
  bool huge_pages = false;        ///< the kernel has huge pages that a program can ask for (CONFIG_HUGETLBFS)
  bool pressure = false;          ///< struct psi_group, and one for each cgroup (CONFIG_PSI)
  bool pressure_on = false;       ///< and it counts: not PSI_DEFAULT_DISABLED without psi=1, nor psi=0
  bool cgroup_rmdir = false;      ///< tracepoint cgroup:cgroup_rmdir is in BTF
  bool cpuhp_enter = false;       ///< tracepoint cpuhp:cpuhp_enter is in BTF
  bool cgroup_mkdir = false;      ///< tracepoint cgroup:cgroup_mkdir is in BTF
  bool sched_free = false;        ///< tracepoint sched:sched_process_free is in BTF
  bool sched_info = false;        ///< tasks have sched_info.run_delay (CONFIG_SCHED_INFO)
  bool io_calls = false;          ///< tasks have ioac.rchar (CONFIG_TASK_XACCT)
  bool task_iterator = false;     ///< iter/task is in BTF
  bool mark_victim = false;       ///< tracepoint oom:mark_victim is in BTF
  bool mark_victim_task = false;  ///< its argument is the task, not a pid
  bool reclaim = false;           ///< the tracepoints of direct reclaim (bpf/guest/reclaim.bpf.c) are in BTF
  bool fuse_requests = false;     ///< tracepoints fuse:fuse_request_send and _end are in BTF, and which are virtiofs's
  bool oom_control = false;       ///< struct oom_control says whose memory was out (bpf/guest/oom.bpf.c)

  bool cpuacct_v1 = false;  ///< a cgroup v1 hierarchy with cpuacct is mounted or was
  bool memory_v1 = false;   ///< the same for memory
  bool cpu_v1 = false;      ///< the same for cpu
  bool pids_v1 = false;     ///< the same for pids
  bool io_v1 = false;       ///< the same for blkio
  bool hugetlb_v1 = false;  ///< the same for hugetlb
  bool cpuset_v1 = false;   ///< the same for cpuset
  std::string cpu_mount;    ///< as cpuacct_mount; the same text where both are one hierarchy
  std::string pids_mount;
  std::string cpuset_mount;
  std::string unified_mount;  ///< cgroup v2; empty = nowhere
  std::string cpuacct_mount;  ///< where, as in /proc/self/mountinfo; empty = nowhere
  std::string memory_mount;
  std::string io_mount;
  std::string hugetlb_mount;
  // Addresses of the kernel's tables that say where in its arrays a figure of memory.stat is; 0 = there is none, or
  // the kernel does not say (CONFIG_KALLSYMS_ALL, kptr_restrict). Looked for where there may be one.
  std::uint64_t stats_index = 0;
  std::uint64_t events_index = 0;
  /// Of each counter of TCP, UDP and the network stack, by the name of its enumerator (include/uapi/linux/snmp.h): its
  /// index in the kernel's array. They move between versions.
  std::map<std::string, std::uint32_t, std::less<>> network_counters;
  std::uint32_t memory_nodes = 0;  ///< a bit for each NUMA node that has memory, of those that have records
  std::uint64_t tick_ns = 0;       ///< length of a tick (CONFIG_HZ)
  int possible_cpus = 1;           ///< 1 more than the highest number that a CPU can have (cpu_possible_mask)
};

/// Looks at the running kernel. Loads nothing that stays; some 10 ms, for the kernel's BTF is parsed once.
KernelFacts read_kernel_facts();

}  // namespace katameter::guest
