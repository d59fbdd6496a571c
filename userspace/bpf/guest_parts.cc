#include "userspace/bpf/guest_parts.h"

#include <array>

namespace katameter {
namespace {

struct Part {
  std::string_view name;
  std::string_view loses;
};

constexpr std::array parts{
    Part{"learn_cpu_offset",
         "what is counted per CPU: cpu_usage_ns, memory_rss_bytes, memory_cache_bytes, block_devices, pressure; in "
         "cgroup v2 also cfs_* and threads"},
    Part{"learn_new_cpu", "what is counted on CPUs that come online after guest-probe"},
    Part{"collect_cpu", "cpu_usage_ns, cpu_user_ns, cpu_system_ns, cfs_*, cpu_quota_us, cpu_shares, threads"},
    Part{"collect_unified", "cpu_usage_ns, cpu_user_ns, cpu_system_ns, cfs_*, cpu_quota_us, cpu_shares, threads"},
    Part{"collect_memory", "all memory figures, memory_stalls, oom_kills, block_devices"},
    Part{"collect_pressure", "the pressure figures: cpu_waiting_ns ..."},
    Part{"find_stats", "all figures of memory.stat: memory_rss_bytes, page_faults ..."},
    Part{"copy_stats", "the figures of memory.stat whose place the kernel does not show"},
    Part{"note_removal", "the last values of removed containers, the exact start_boottime_ns, memory_stalls"},
    Part{"note_birth", "the exact start_boottime_ns; that of the oldest process is told"},
    Part{"walk_tasks",
         "processes, start_boottime_ns of containers older than guest-probe, the guest system's CPU time by owner, "
         "what --schedstat asks for"},
    Part{"note_task_end", "what --schedstat asks for: sched_run_ns ..."},
    Part{"walk_sched_sums", "what --schedstat asks for: sched_run_ns ..."},
    Part{"note_victim", "OOM events; oom_kills is still counted"},
    Part{"note_victim_pid", "OOM events; oom_kills is still counted"},
    Part{"oom_bell", "OOM events; oom_kills is still counted"},
    Part{"memcg_reclaim_begin", "memory_stalls, memory_stall_ns"},
    Part{"memcg_reclaim_end", "memory_stalls, memory_stall_ns"},
    Part{"direct_reclaim_begin", "memory_stalls, memory_stall_ns"},
    Part{"direct_reclaim_end", "memory_stalls, memory_stall_ns"},
    Part{direct_reads_part, ""},
    Part{map_iterators_part, ""},
};

}  // namespace

std::string_view without_form(std::string_view program) {
  if (program.ends_with(task_form)) program.remove_suffix(task_form.size());
  return program;
}

std::optional<std::string_view> lost_without(std::string_view part) {
  for (const Part& known : parts) {
    if (known.name == without_form(part)) return known.loses;
  }
  return std::nullopt;
}

}  // namespace katameter
