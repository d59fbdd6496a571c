#include "guest-probe/account/cpu_account.h"

#include <algorithm>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {
namespace {

constexpr std::uint64_t ns_per_us = 1000;

// scale_load_down() in kernel/sched/sched.h: a 64-bit kernel keeps 1024 times the shares, and shows no less than 2.
std::uint64_t shown_shares(std::uint64_t kept) {
  constexpr int shift = sizeof(long) == 8 ? 10 : 0;
  return kept == 0 ? 0 : std::max<std::uint64_t>(kept >> shift, 2);
}

// cpu.weight: sched_weight_to_cgroup() in kernel/sched/sched.h.
std::uint64_t weight_of_shares(std::uint64_t shares) {
  return std::clamp<std::uint64_t>((shares * 100 + 512) / 1024, 1, 10'000);
}

void set_bandwidth(wire::Container& row, const cpu_record& record, const FigureSet& served) {
  const bandwidth_record& bandwidth = record.bandwidth;
  const std::uint64_t shares = shown_shares(bandwidth.shares);
  const bool unified = (record.kinds & CPU_UNIFIED) != 0;
  set_figure<figure::cpu_shares>(row, served, unified ? shares_of_weight(weight_of_shares(shares)) : shares);
  set_figure<figure::cpu_period_us>(row, served, bandwidth.period_ns / ns_per_us);
  // Without a quota no period is enforced: the kernel keeps what was counted before, cAdvisor does not show it.
  if (bandwidth.quota_ns == NO_QUOTA) return;
  set_figure<figure::cpu_quota_us>(row, served, bandwidth.quota_ns / ns_per_us);
  set_figure<figure::cfs_periods>(row, served, bandwidth.periods);
  set_figure<figure::cfs_throttled_periods>(row, served, bandwidth.throttled_periods);
  set_figure<figure::cfs_throttled_ns>(row, served, bandwidth.throttled_ns);
}

}  // namespace

std::uint64_t shares_of_weight(std::uint64_t weight) {
  return 2 + (weight - 1) * 262142 / 9999;
}

void set_cpu(wire::Container& row, const cpu_record& record, const FigureSet& served) {
  if ((record.kinds & CPU_TIMES) != 0) {
    set_figure<figure::cpu_usage_ns>(row, served, record.usage_ns);
    set_figure<figure::cpu_user_ns>(row, served, record.user_ns);
    set_figure<figure::cpu_system_ns>(row, served, record.system_ns);
  }
  if ((record.kinds & CPU_BANDWIDTH) != 0) set_bandwidth(row, record, served);
  if ((record.kinds & CPU_TASKS) != 0) {
    set_figure<figure::threads>(row, served, record.tasks.current);
    if (record.tasks.max != NO_TASKS_LIMIT) set_figure<figure::threads_max>(row, served, record.tasks.max);
  }
}

}  // namespace katameter::guest
