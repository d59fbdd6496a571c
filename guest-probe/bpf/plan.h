#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/facts.h"
#include "guest-probe/bpf/refusals.h"

namespace katameter::guest {

/// One thing that guest-probe needs of the kernel, as `guest-probe check` shows it.
struct Requirement {
  std::string name;  ///< "BPF programs", "cgroup_rmdir tracepoint" ...
  bool found = false;
  std::string impact;              ///< what is lost without it
  std::string remedy;              ///< what to do about it
  std::vector<std::string> log{};  ///< what the kernel logged as it refused it: errno, then the verifier's last lines
};

/// How much of the requests to virtiofs is counted (--virtiofs).
enum class VirtiofsMode {
  automatic,  ///< all with the JIT, counts without
  off,
  counts,  ///< requests and bytes
  all,     ///< and times, errors and requests in flight
};

/// What costs something beside the collects, and is chosen on the command line.
struct Wanted {
  bool schedstat = false;   ///< figures that cost something at the end of each task
  bool open_files = false;  ///< figures that cost something for each open file at each collect
  VirtiofsMode virtiofs = VirtiofsMode::automatic;
  /// Counters of the network by enumerator, as in KernelFacts::network_counters; of UDP that is IPv4 and IPv6 together.
  std::vector<std::string_view> network{};
};

/// What will be loaded and which figures there will be. Decided once, at start.
struct GuestPlan {
  bool per_cpu = false;           ///< what is counted per CPU can be read
  bool cpu = false;               ///< cpu_usage_ns, from the cpuacct hierarchy or cgroup v2
  bool unified = false;           ///< CPU time is that of cgroup v2
  bool bandwidth = false;         ///< cfs_*, cpu_quota_us, cpu_period_us, cpu_shares
  bool tasks = false;             ///< threads, threads_max
  bool cpuset = false;            ///< cpuset_cpus
  bool walk_cpu = false;          ///< the cpu controller has a hierarchy without cpuacct: a walk of its own
  bool walk_pids = false;         ///< the same for pids, which shares one with neither
  bool walk_cpuset = false;       ///< the same for cpuset
  bool pressure = false;          ///< cpu_waiting_ns ... (PSI), in cgroup v2
  std::uint64_t tick_ns = 0;      ///< as in KernelFacts
  bool memory = false;            ///< usage, peak, limit, failcnt, oom_kills
  bool memory_stat = false;       ///< rss, cache, working set, page faults
  bool unified_memory = false;    ///< the memory controller is in the hierarchy of cgroup v2
  std::uint64_t stats_index = 0;  ///< as in KernelFacts
  std::uint64_t events_index = 0;
  bool resolves_stats =
      false;                ///< these may be needed and cannot be seen: the indices are to be resolved from the files
  bool io = false;          ///< block I/O by device
  bool io_v1 = false;       ///< it is that of cgroup v1
  bool hugetlb = false;     ///< hugetlb_*: huge pages
  bool hugetlb_v1 = false;  ///< they are those of cgroup v1
  std::uint32_t memory_nodes = 0;  ///< as in KernelFacts, if there is more than one: memory_node0_file_pages ...
  bool removals = false;           ///< last values of removed containers
  bool new_cpus = false;           ///< CPUs that come online later are noticed
  bool oom_events = false;         ///< one event per OOM kill
  bool stalls = false;             ///< memory_stalls, memory_stall_ns
  bool victim_by_pid = false;      ///< mark_victim hands over a process id, not the task
  bool tasks_walk = false;        ///< processes, start of containers that were there before, owners of guest-system CPU
  bool open_files = false;        ///< file_descriptors, sockets, as asked for
  bool task_sums = false;         ///< one of the next two at least, as asked for
  bool schedstat = false;         ///< sched_run_ns ...
  bool io_calls = false;          ///< read_calls ...
  bool virtiofs = false;          ///< virtiofs_reads ...: requests and bytes
  bool virtiofs_answers = false;  ///< virtiofs_read_ns ...: times, errors and requests in flight
  /// As network_counters in bpf/guest/network.bpf.h has them; figures in the order of Wanted::network.
  std::vector<std::uint16_t> network_counters;
  bool mkdir_times = false;                      ///< start of containers made from now on
  std::uint64_t tasks_hierarchy = WALK_CPUACCT;  ///< the one in which tasks are looked up and mkdir_times is kept
  bool reads_directly = false;                   ///< bpf/read.bpf.h
  bool requests_by_task = false;                 ///< bpf/lib/request.bpf.h
  int possible_cpus = 1;
  std::vector<Requirement> requirements;
  // What it was made of.
  KernelFacts facts;
  Wanted wanted;
  std::vector<KernelRefusal> refused;

  bool works() const { return cpu || memory; }
  bool complete() const;
  /// The names of the needs that were not found.
  std::vector<std::string> missing_features() const;
};

/// Draws the conclusions from the facts; no look at the machine.
/// `refused`: what the kernel did not take when it was tried; only what hangs on it is left out, see impact_without().
GuestPlan plan_guest(const KernelFacts& facts, const Wanted& wanted = {}, std::vector<KernelRefusal> refused = {});

/// The plan less what the kernel has just refused.
GuestPlan plan_without(const GuestPlan& plan, KernelRefusal refusal);

/// What is lost where the kernel refuses a program or a map of the guest's BPF object; nothing for one without which
/// guest-probe cannot work. Both forms of a program that runs on request (bpf/lib/request.bpf.h) are one.
std::optional<std::string_view> impact_without(std::string_view part);

/// The name of a program that runs on request without what marks its second form.
std::string_view without_form(std::string_view program);

/// "collect_cpu_by_task": the second form of `program`.
inline constexpr std::string_view task_form = "_by_task";

/// Not programs, but refused like them; then the other form is loaded, and nothing is lost.
inline constexpr std::string_view direct_reads_part = "direct reads";    // bpf/read.bpf.h
inline constexpr std::string_view map_iterators_part = "map iterators";  // bpf/lib/request.bpf.h

}  // namespace katameter::guest
