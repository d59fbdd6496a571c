#pragma once

#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "userspace/bpf/kernel_facts.h"
#include "userspace/bpf/kernel_refusal.h"

namespace katameter {

/// One thing that guest-probe needs of the kernel, as `guest-probe check` shows it.
struct Need {
  std::string name;  ///< "BPF programs", "cgroup_rmdir tracepoint" ...
  bool found = false;
  std::string loses;                ///< what is lost without it
  std::string remedy;               ///< what to do about it
  std::vector<std::string> said{};  ///< what the kernel said as it refused it: errno, then the verifier's last lines
};

/// What will be loaded and which figures there will be. Decided once, at start.
struct GuestPlan {
  bool per_cpu = false;           ///< what is counted per CPU can be read
  bool cpu = false;               ///< cpu_usage_ns, from the cpuacct hierarchy or cgroup v2
  bool unified = false;           ///< CPU time is that of cgroup v2
  bool bandwidth = false;         ///< cfs_*, cpu_quota_us, cpu_period_us, cpu_shares
  bool tasks = false;             ///< threads, threads_max
  bool walk_cpu = false;          ///< the cpu controller has a hierarchy without cpuacct: a walk of its own
  bool walk_pids = false;         ///< the same for pids, which shares one with neither
  bool pressure = false;          ///< cpu_waiting_ns ... (PSI), in cgroup v2
  std::uint64_t tick_ns = 0;      ///< as in KernelFacts
  bool memory = false;            ///< usage, peak, limit, failcnt, oom_kills
  bool memory_stat = false;       ///< rss, cache, working set, page faults
  bool unified_memory = false;    ///< the memory controller is in the hierarchy of cgroup v2
  std::uint64_t stats_index = 0;  ///< as in KernelFacts
  std::uint64_t events_index = 0;
  bool learn_stats = false;    ///< they may be needed and cannot be seen: what they say is to be learned
  bool io = false;             ///< block I/O by device
  bool io_v1 = false;          ///< it is that of cgroup v1
  bool removals = false;       ///< last values of removed containers
  bool new_cpus = false;       ///< CPUs that come online later are learned
  bool oom_events = false;     ///< one event per OOM kill
  bool stalls = false;         ///< memory_stalls, memory_stall_ns
  bool victim_by_pid = false;  ///< mark_victim hands over a process id, not the task
  bool tasks_walk = false;     ///< processes, start of containers that were there before, owners of guest-system CPU
  bool schedstat = false;      ///< sched_run_ns ..., as asked for
  bool births = false;         ///< start of containers made from now on
  std::uint64_t tasks_hierarchy = WALK_CPUACCT;  ///< the one in which tasks are looked up and births are kept
  bool reads_directly = false;                   ///< bpf/read.bpf.h
  bool requests_by_task = false;                 ///< bpf/lib/request.bpf.h
  int possible_cpus = 1;
  std::vector<Need> needs;
  // What it was made of.
  KernelFacts facts;
  bool schedstat_wanted = false;
  std::vector<KernelRefusal> refused;

  bool works() const { return cpu || memory; }
  bool complete() const;
  /// The names of the needs that were not found.
  std::vector<std::string> lacks() const;
};

/// Draws the conclusions from the facts; no look at the machine.
/// `schedstat`: figures that cost something at the end of each task are wanted. `refused`: what the kernel did not take
/// when it was tried; only what hangs on it is left out (guest_parts.h).
GuestPlan plan_guest(const KernelFacts& facts, bool schedstat = false, std::vector<KernelRefusal> refused = {});

/// The plan less what the kernel has just refused.
GuestPlan plan_without(const GuestPlan& plan, KernelRefusal refusal);

}  // namespace katameter
