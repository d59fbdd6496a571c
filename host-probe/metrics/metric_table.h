#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "host-probe/metrics/text_writer.h"
#include "userspace/wire/messages.h"

// The metrics that are one value of a container's snapshot: name, help with the unit, type.
namespace katameter {

/// A metric of one container, and how its value comes out of the container's figures; no value, no series.
struct ContainerMetric {
  Descriptor descriptor;
  std::optional<double> (*value)(const wire::Container&);
  bool per_cpu = false;  // carries the label cpu="total"
};

namespace detail {

constexpr double seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

template <auto figure>
std::optional<double> plain(const wire::Container& container) {
  if (!(container.*figure)) return std::nullopt;
  return static_cast<double>(*(container.*figure));
}

template <auto figure>
std::optional<double> in_seconds(const wire::Container& container) {
  if (!(container.*figure)) return std::nullopt;
  return seconds(*(container.*figure));
}

// 0 stands for "no limit", as in cAdvisor; without a count of threads there is no pids controller to have a limit.
inline std::optional<double> threads_max(const wire::Container& container) {
  if (!container.threads && !container.threads_max) return std::nullopt;
  return static_cast<double>(container.threads_max.value_or(0));
}

// cAdvisor leaves the series out until there is something to tell.
inline std::optional<double> cpu_seconds(const wire::Container& container) {
  if (container.cpu_usage_ns.value_or(0) == 0) return std::nullopt;
  return seconds(*container.cpu_usage_ns);
}

// 0 stands for "no limit", as in cAdvisor; a container without memory figures has no such series.
template <auto figure>
std::optional<double> memory_limit(const wire::Container& container) {
  constexpr std::uint64_t unlimited = std::uint64_t{1} << 62;
  if (!(container.*figure) && !container.memory_usage_bytes) return std::nullopt;
  const std::uint64_t limit = (container.*figure).value_or(0);
  return limit > unlimited ? 0.0 : static_cast<double>(limit);
}

}  // namespace detail

namespace metric {

using prometheus::MetricType;

/// cAdvisor's metrics, by cAdvisor's names, types and meanings; last, under our name, what cAdvisor has not.
inline constexpr auto of_container = std::to_array<ContainerMetric>({
    {{"container_cpu_usage_seconds_total", "CPU time consumed by the container, in seconds.", MetricType::Counter},
     &detail::cpu_seconds,
     true},
    {{"container_memory_usage_bytes", "Memory charged to the container, page cache included, in bytes.",
      MetricType::Gauge},
     &detail::plain<&wire::Container::memory_usage_bytes>},
    {{"container_memory_max_usage_bytes", "Highest memory usage of the container so far, in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_peak_bytes>},
    {{"container_memory_working_set_bytes", "Memory usage without inactive page cache, in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_working_set_bytes>},
    {{"container_memory_rss", "Anonymous memory of the container, in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_rss_bytes>},
    {{"container_memory_cache", "Page cache of the container, in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_cache_bytes>},
    {{"container_memory_failcnt", "Number of times that memory usage hit the limit.", MetricType::Counter},
     &detail::plain<&wire::Container::memory_failcnt>},
    {{"container_spec_memory_limit_bytes", "Memory limit of the container, in bytes; 0 if it has none.",
      MetricType::Gauge},
     &detail::memory_limit<&wire::Container::memory_limit_bytes>},
    {{"container_cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::cpu_user_ns>},
    {{"container_cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::cpu_system_ns>},
    {{"container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.", MetricType::Counter},
     &detail::plain<&wire::Container::cfs_periods>},
    {{"container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.", MetricType::Counter},
     &detail::plain<&wire::Container::cfs_throttled_periods>},
    {{"container_cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled.",
      MetricType::Counter},
     &detail::in_seconds<&wire::Container::cfs_throttled_ns>},
    {{"container_spec_cpu_quota", "CPU quota of the container.", MetricType::Gauge},
     &detail::plain<&wire::Container::cpu_quota_us>},
    {{"container_spec_cpu_period", "CPU period of the container.", MetricType::Gauge},
     &detail::plain<&wire::Container::cpu_period_us>},
    {{"container_spec_cpu_shares", "CPU share of the container.", MetricType::Gauge},
     &detail::plain<&wire::Container::cpu_shares>},
    {{"container_threads", "Number of threads running inside the container", MetricType::Gauge},
     &detail::plain<&wire::Container::threads>},
    {{"container_threads_max", "Maximum number of threads allowed inside the container, infinity if value is zero",
      MetricType::Gauge},
     &detail::threads_max},
    {{"container_memory_mapped_file", "Size of memory mapped files in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_mapped_file_bytes>},
    {{"container_memory_total_active_file_bytes", "Current total active file in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_active_file_bytes>},
    {{"container_memory_total_inactive_file_bytes", "Current total inactive file in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_inactive_file_bytes>},
    {{"container_memory_swap", "Container swap usage in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_swap_bytes>},
    {{"container_memory_kernel_usage", "Size of kernel memory allocated in bytes.", MetricType::Gauge},
     &detail::plain<&wire::Container::memory_kernel_bytes>},
    {{"container_spec_memory_swap_limit_bytes", "Memory swap limit for the container.", MetricType::Gauge},
     &detail::memory_limit<&wire::Container::memory_swap_limit_bytes>},
    {{"container_spec_memory_reservation_limit_bytes", "Memory reservation limit for the container.",
      MetricType::Gauge},
     &detail::memory_limit<&wire::Container::memory_reservation_bytes>},
    {{"container_processes", "Number of processes running inside the container.", MetricType::Gauge},
     &detail::plain<&wire::Container::processes>},
    {{"container_pressure_cpu_waiting_seconds_total",
      "Total time duration tasks in the container have waited due to CPU congestion.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::cpu_waiting_ns>},
    {{"container_pressure_cpu_stalled_seconds_total",
      "Total time duration no tasks in the container could make progress due to CPU congestion.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::cpu_stalled_ns>},
    {{"container_pressure_memory_waiting_seconds_total",
      "Total time duration tasks in the container have waited due to memory congestion.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::memory_waiting_ns>},
    {{"container_pressure_memory_stalled_seconds_total",
      "Total time duration no tasks in the container could make progress due to memory congestion.",
      MetricType::Counter},
     &detail::in_seconds<&wire::Container::memory_stalled_ns>},
    {{"container_pressure_io_waiting_seconds_total",
      "Total time duration tasks in the container have waited due to IO congestion.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::io_waiting_ns>},
    {{"container_pressure_io_stalled_seconds_total",
      "Total time duration no tasks in the container could make progress due to IO congestion.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::io_stalled_ns>},
    {{"container_cpu_schedstat_run_seconds_total", "Time duration the processes of the container have run on the CPU.",
      MetricType::Counter},
     &detail::in_seconds<&wire::Container::sched_run_ns>},
    {{"container_cpu_schedstat_runqueue_seconds_total",
      "Time duration processes of the container have been waiting on a runqueue.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::sched_wait_ns>},
    {{"container_cpu_schedstat_run_periods_total", "Number of times processes of the cgroup have run on the cpu",
      MetricType::Counter},
     &detail::plain<&wire::Container::sched_periods>},
    {{"katameter_container_reclaim_stalls_total",
      "Number of times that a task of the container went into direct reclaim.", MetricType::Counter},
     &detail::plain<&wire::Container::memory_stalls>},
    {{"katameter_container_reclaim_stall_seconds_total",
      "Time that tasks of the container spent in direct reclaim, in seconds.", MetricType::Counter},
     &detail::in_seconds<&wire::Container::memory_stall_ns>},
});

inline constexpr Descriptor container_start{
    "container_start_time_seconds", "Start time of the container since unix epoch in seconds.", MetricType::Gauge};
struct SwitchMetric {
  const char* type;
  wire::Figure wire::Container::*figure;
};
inline constexpr Descriptor context_switches{"katameter_container_context_switches_total",
                                             "Context switches of the container's tasks, voluntary and involuntary.",
                                             MetricType::Counter};
inline constexpr std::array<SwitchMetric, 2> switch_types{
    {{"voluntary", &wire::Container::voluntary_switches}, {"involuntary", &wire::Container::involuntary_switches}}};

// Each twice, for cAdvisor's scopes "container" and "hierarchy", between which it makes no difference.
struct FailureMetric {
  const char* failure_type;
  wire::Figure wire::Container::*figure;
};
inline constexpr Descriptor memory_failures{"container_memory_failures_total",
                                            "Cumulative count of memory allocation failures.", MetricType::Counter};
inline constexpr std::array<FailureMetric, 2> memory_failure_types{
    {{"pgfault", &wire::Container::page_faults}, {"pgmajfault", &wire::Container::major_page_faults}}};

inline constexpr Descriptor container_ooms{"container_oom_events_total",
                                           "Number of processes of the container that the OOM killer chose.",
                                           MetricType::Counter};

}  // namespace metric
}  // namespace katameter
