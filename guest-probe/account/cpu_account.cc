#include "guest-probe/account/cpu_account.h"

#include <algorithm>

namespace katameter {
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

void set_if(bool served, wire::Figure& figure, std::uint64_t value) {
  if (served) figure = value;
}

void set_bandwidth(wire::Container& row, const cpu_record& record, const CpuFields& fields) {
  const bandwidth_record& bandwidth = record.bandwidth;
  const std::uint64_t shares = shown_shares(bandwidth.shares);
  set_if(fields.shares, row.cpu_shares,
         (record.kinds & CPU_UNIFIED) != 0 ? shares_of_weight(weight_of_shares(shares)) : shares);
  set_if(fields.period, row.cpu_period_us, bandwidth.period_ns / ns_per_us);
  // Without a quota no period is enforced: the kernel keeps what was counted before, cAdvisor does not show it.
  if (bandwidth.quota_ns == NO_QUOTA) return;
  set_if(fields.quota, row.cpu_quota_us, bandwidth.quota_ns / ns_per_us);
  set_if(fields.periods, row.cfs_periods, bandwidth.periods);
  set_if(fields.throttled_periods, row.cfs_throttled_periods, bandwidth.throttled_periods);
  set_if(fields.throttled_ns, row.cfs_throttled_ns, bandwidth.throttled_ns);
}

}  // namespace

std::uint64_t shares_of_weight(std::uint64_t weight) {
  return 2 + (weight - 1) * 262142 / 9999;
}

void set_cpu(wire::Container& row, const cpu_record& record, const CpuFields& fields) {
  if ((record.kinds & CPU_TIMES) != 0) {
    set_if(fields.usage, row.cpu_usage_ns, record.usage_ns);
    set_if(fields.user, row.cpu_user_ns, record.user_ns);
    set_if(fields.system, row.cpu_system_ns, record.system_ns);
  }
  if ((record.kinds & CPU_BANDWIDTH) != 0) set_bandwidth(row, record, fields);
  if ((record.kinds & CPU_TASKS) != 0) {
    set_if(fields.threads, row.threads, record.tasks.current);
    set_if(fields.threads_max && record.tasks.max != NO_TASKS_LIMIT, row.threads_max, record.tasks.max);
  }
}

}  // namespace katameter
