#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "userspace/wire/container_id.h"

// The messages of katameter.proto as C++ values. The schema documents each field, its unit and its source.
namespace katameter::wire {

constexpr std::uint32_t protocol_version = 1;
constexpr std::uint32_t default_port = 1717;

struct Hello {
  std::uint32_t protocol = protocol_version;
  std::string version;
  std::string boot_id;
  std::string kernel;
  std::string instance;
  std::vector<std::string> lacks;
};

struct Collect {
  std::uint64_t request = 0;
};

struct Acknowledge {
  std::uint64_t event_sequence = 0;
  std::uint64_t snapshot_sequence = 0;
};

using Figure = std::optional<std::uint64_t>;

struct Container {
  ContainerId id;
  std::string cgroup;
  bool removed = false;
  Figure cpu_usage_ns;
  Figure memory_usage_bytes;
  Figure memory_peak_bytes;
  Figure memory_limit_bytes;
  Figure memory_rss_bytes;
  Figure memory_cache_bytes;
  Figure memory_working_set_bytes;
  Figure oom_kills;
  Figure memory_failcnt;
  Figure cpu_user_ns;
  Figure cpu_system_ns;
  Figure cfs_periods;
  Figure cfs_throttled_periods;
  Figure cfs_throttled_ns;
  Figure cpu_quota_us;
  Figure cpu_period_us;
  Figure cpu_shares;
  Figure threads;
  Figure threads_max;
  Figure memory_mapped_file_bytes;
  Figure memory_active_file_bytes;
  Figure memory_inactive_file_bytes;
  Figure memory_swap_bytes;
  Figure memory_kernel_bytes;
  Figure page_faults;
  Figure major_page_faults;
  Figure memory_swap_limit_bytes;
  Figure memory_reservation_bytes;
  Figure start_boottime_ns;
  Figure processes;
  Figure cpu_waiting_ns;
  Figure cpu_stalled_ns;
  Figure memory_waiting_ns;
  Figure memory_stalled_ns;
  Figure io_waiting_ns;
  Figure io_stalled_ns;
  Figure sched_run_ns;
  Figure sched_wait_ns;
  Figure sched_periods;
  Figure voluntary_switches;
  Figure involuntary_switches;
};

/// One figure of a container: its name (also its key in `guest-probe dump --format json`) and its field number.
struct ContainerFigure {
  std::string_view name;
  std::uint32_t field;
  Figure Container::*value;
};

/// Every figure once: the encoder, the decoder and the JSON writer go through this table.
inline constexpr auto container_figures = std::to_array<ContainerFigure>({
    {"cpu_usage_ns", 16, &Container::cpu_usage_ns},
    {"memory_usage_bytes", 17, &Container::memory_usage_bytes},
    {"memory_peak_bytes", 18, &Container::memory_peak_bytes},
    {"memory_limit_bytes", 19, &Container::memory_limit_bytes},
    {"memory_rss_bytes", 20, &Container::memory_rss_bytes},
    {"memory_cache_bytes", 21, &Container::memory_cache_bytes},
    {"memory_working_set_bytes", 22, &Container::memory_working_set_bytes},
    {"oom_kills", 23, &Container::oom_kills},
    {"memory_failcnt", 24, &Container::memory_failcnt},
    {"cpu_user_ns", 32, &Container::cpu_user_ns},
    {"cpu_system_ns", 33, &Container::cpu_system_ns},
    {"cfs_periods", 34, &Container::cfs_periods},
    {"cfs_throttled_periods", 35, &Container::cfs_throttled_periods},
    {"cfs_throttled_ns", 36, &Container::cfs_throttled_ns},
    {"cpu_quota_us", 37, &Container::cpu_quota_us},
    {"cpu_period_us", 38, &Container::cpu_period_us},
    {"cpu_shares", 39, &Container::cpu_shares},
    {"threads", 40, &Container::threads},
    {"threads_max", 41, &Container::threads_max},
    {"memory_mapped_file_bytes", 48, &Container::memory_mapped_file_bytes},
    {"memory_active_file_bytes", 49, &Container::memory_active_file_bytes},
    {"memory_inactive_file_bytes", 50, &Container::memory_inactive_file_bytes},
    {"memory_swap_bytes", 51, &Container::memory_swap_bytes},
    {"memory_kernel_bytes", 52, &Container::memory_kernel_bytes},
    {"page_faults", 53, &Container::page_faults},
    {"major_page_faults", 54, &Container::major_page_faults},
    {"memory_swap_limit_bytes", 55, &Container::memory_swap_limit_bytes},
    {"memory_reservation_bytes", 56, &Container::memory_reservation_bytes},
    {"start_boottime_ns", 64, &Container::start_boottime_ns},
    {"processes", 65, &Container::processes},
    {"cpu_waiting_ns", 66, &Container::cpu_waiting_ns},
    {"cpu_stalled_ns", 67, &Container::cpu_stalled_ns},
    {"memory_waiting_ns", 68, &Container::memory_waiting_ns},
    {"memory_stalled_ns", 69, &Container::memory_stalled_ns},
    {"io_waiting_ns", 70, &Container::io_waiting_ns},
    {"io_stalled_ns", 71, &Container::io_stalled_ns},
    {"sched_run_ns", 72, &Container::sched_run_ns},
    {"sched_wait_ns", 73, &Container::sched_wait_ns},
    {"sched_periods", 74, &Container::sched_periods},
    {"voluntary_switches", 75, &Container::voluntary_switches},
    {"involuntary_switches", 76, &Container::involuntary_switches},
});

struct Guest {
  Figure cpu_usage_ns;
  Figure workload_cpu_usage_ns;
  std::uint64_t containers_unreported = 0;
  std::uint64_t oom_events_lost = 0;
  Figure kernel_cpu_usage_ns;
  Figure agent_cpu_usage_ns;
  Figure probe_cpu_usage_ns;
};

struct Snapshot {
  std::uint64_t request = 0;
  std::uint64_t sequence = 0;
  std::uint64_t boottime_ns = 0;
  std::vector<Container> containers;
  Guest guest;
};

struct OomEvent {
  std::uint64_t sequence = 0;
  std::uint64_t boottime_ns = 0;
  std::optional<ContainerId> container;
  std::string cgroup;
  std::uint32_t victim_pid = 0;
  std::string victim_comm;
  std::uint64_t victim_anon_bytes = 0;
  std::uint64_t victim_file_bytes = 0;
  std::uint64_t victim_shmem_bytes = 0;
  std::uint64_t memory_usage_bytes = 0;
  std::uint64_t memory_limit_bytes = 0;
};

using HostMessage = std::variant<Hello, Collect, Acknowledge>;
using GuestMessage = std::variant<Hello, Snapshot, OomEvent>;

}  // namespace katameter::wire
