#pragma once

#include <array>
#include <string_view>

// Unit and source of the metrics of metric_table.h, for docs/metrics.md.
namespace katameter::metric {

struct Note {
  std::string_view metric;
  std::string_view unit;
  std::string_view source;  ///< the kernel's own counter; v1, v2: versions of cgroups
};

/// Each metric once, in any order; tests/monitoring/check_catalogue.py finds what is missing or too much.
inline constexpr auto notes = std::to_array<Note>({
    // A container's: all of the guest's kernel.
    {"container_cpu_usage_seconds_total", "seconds",
     "v1: `cpuacct.cpuusage` of every CPU; v2: `cgroup_rstat_cpu.bstat` of every CPU, removed cgroups included"},
    {"container_cpu_user_seconds_total", "seconds", "v1: `cpuacct.cpustat` (ticks); v2: `bstat.cputime`, as cpu.stat"},
    {"container_cpu_system_seconds_total", "seconds",
     "v1: `cpuacct.cpustat` (ticks); v2: `bstat.cputime`, as cpu.stat"},
    {"container_cpu_cfs_periods_total", "periods", "`cfs_bandwidth.nr_periods`; absent without a quota"},
    {"container_cpu_cfs_throttled_periods_total", "periods", "`cfs_bandwidth.nr_throttled`; absent without a quota"},
    {"container_cpu_cfs_throttled_seconds_total", "seconds", "`cfs_bandwidth.throttled_time`; absent without a quota"},
    {"container_spec_cpu_quota", "microseconds", "`cfs_bandwidth.quota`; absent without one"},
    {"container_spec_cpu_period", "microseconds", "`cfs_bandwidth.period`"},
    {"container_spec_cpu_shares", "shares", "`task_group.shares`"},
    {"container_memory_usage_bytes", "bytes", "`mem_cgroup.memory.usage` (page_counter)"},
    {"container_memory_max_usage_bytes", "bytes", "`mem_cgroup.memory.watermark`: a true peak, not one of samples"},
    {"container_memory_working_set_bytes", "bytes", "usage less `NR_INACTIVE_FILE`, not below 0"},
    {"container_memory_rss", "bytes", "`NR_ANON_MAPPED`, with what each CPU has not handed in yet"},
    {"container_memory_cache", "bytes", "`NR_FILE_PAGES`, likewise"},
    {"container_memory_mapped_file", "bytes", "`NR_FILE_MAPPED`, likewise"},
    {"container_memory_total_active_file_bytes", "bytes", "`NR_ACTIVE_FILE`, likewise"},
    {"container_memory_total_inactive_file_bytes", "bytes", "`NR_INACTIVE_FILE`, likewise"},
    {"container_memory_swap", "bytes", "v1: `MEMCG_SWAP`; v2: `mem_cgroup.swap.usage`"},
    {"container_memory_kernel_usage", "bytes", "v1: `mem_cgroup.kmem.usage`; v2: `MEMCG_KMEM` (5.18)"},
    {"container_memory_failcnt", "times",
     "`page_counter.failcnt` of `mem_cgroup.memory`; cgroup v2 from 6.15 on: `memory_events[MEMCG_MAX]`"},
    {"container_memory_failures_total", "faults", "`PGFAULT`, `PGMAJFAULT` of the cgroup"},
    {"container_spec_memory_limit_bytes", "bytes", "`mem_cgroup.memory.max`; 0: none"},
    {"container_spec_memory_swap_limit_bytes", "bytes",
     "v1: `mem_cgroup.memsw.max`, memory and swap together; v2: `mem_cgroup.swap.max`; 0: none"},
    {"container_spec_memory_reservation_limit_bytes", "bytes",
     "v1: `mem_cgroup.soft_limit`; v2: `mem_cgroup.memory.min`; 0: none"},
    {"container_oom_events_total", "kills",
     "`memory_events[MEMCG_OOM_KILL]`; kept for a while when the container is gone"},
    {"container_threads", "tasks", "`pids_cgroup.counter`"},
    {"container_threads_max", "tasks", "`pids_cgroup.limit`; 0: none"},
    {"container_processes", "processes", "thread groups, counted by `iter/task`"},
    {"container_start_time_seconds", "seconds since 1970",
     "tracepoint `cgroup_mkdir`; of one older than guest-probe the start of its oldest process. By the host's clock"},
    {"container_pressure_cpu_waiting_seconds_total", "seconds", "`psi_group.total`, cpu some; v2 only"},
    {"container_pressure_cpu_stalled_seconds_total", "seconds", "`psi_group.total`, cpu full (5.13); v2 only"},
    {"container_pressure_memory_waiting_seconds_total", "seconds", "`psi_group.total`, memory some; v2 only"},
    {"container_pressure_memory_stalled_seconds_total", "seconds", "`psi_group.total`, memory full; v2 only"},
    {"container_pressure_io_waiting_seconds_total", "seconds", "`psi_group.total`, io some; v2 only"},
    {"container_pressure_io_stalled_seconds_total", "seconds", "`psi_group.total`, io full; v2 only"},
    {"container_cpu_schedstat_run_seconds_total", "seconds",
     "`task_struct.se.sum_exec_runtime` of all its tasks; with `--schedstat` only"},
    {"container_cpu_schedstat_runqueue_seconds_total", "seconds",
     "`task_struct.sched_info.run_delay` of all its tasks; with `--schedstat` only"},
    {"container_cpu_schedstat_run_periods_total", "times",
     "`task_struct.sched_info.pcount` of all its tasks; with `--schedstat` only"},
    {"katameter_container_context_switches_total", "switches",
     "`task_struct.nvcsw`, `nivcsw` of all its tasks; with `--schedstat` only"},
    {"katameter_container_reclaim_stalls_total", "times",
     "tracepoints `mm_vmscan_direct_reclaim_begin` and `mm_vmscan_memcg_reclaim_begin`"},
    {"katameter_container_reclaim_stall_seconds_total", "seconds", "from these to their `_end`"},
});

}  // namespace katameter::metric
