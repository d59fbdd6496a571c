#include "guest-probe/account/cpu.h"

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
  if ((record.kinds & CPU_IDLE) != 0) set_figure<figure::cpu_idle>(row, served, bandwidth.idle);
  // Without a quota no period is enforced: the kernel keeps what was counted before, cAdvisor does not show it.
  if (bandwidth.quota_ns == NO_QUOTA) return;
  set_figure<figure::cpu_quota_us>(row, served, bandwidth.quota_ns / ns_per_us);
  set_figure<figure::cfs_periods>(row, served, bandwidth.periods);
  set_figure<figure::cfs_throttled_periods>(row, served, bandwidth.throttled_periods);
  set_figure<figure::cfs_throttled_ns>(row, served, bandwidth.throttled_ns);
  if ((record.kinds & CPU_BURST) == 0) return;
  set_figure<figure::cfs_burst_periods>(row, served, bandwidth.burst_periods);
  set_figure<figure::cfs_burst_ns>(row, served, bandwidth.burst_ns);
}

__extension__ using Product = unsigned __int128;

struct Times {
  std::uint64_t user_ns;
  std::uint64_t system_ns;
};

// One of the two at least as large as shown before, and both together the usage.
Times not_below(std::uint64_t usage_ns, std::uint64_t system_ns, const Times& before) {
  system_ns = std::clamp(system_ns, std::min(before.system_ns, usage_ns), usage_ns);
  std::uint64_t user_ns = usage_ns - system_ns;
  if (user_ns < before.user_ns) {
    user_ns = before.user_ns;
    system_ns = usage_ns - user_ns;
  }
  return {user_ns, system_ns};
}

Times adjust(std::uint64_t usage_ns, const Times& ticks, const Times& before) {
  if (before.user_ns + before.system_ns >= usage_ns) return before;
  std::uint64_t system_ns = 0;  // without a tick so far, all of it is the user's
  if (ticks.system_ns != 0 && ticks.user_ns == 0) {
    system_ns = usage_ns;
  } else if (ticks.system_ns != 0) {
    const Product all = Product{ticks.user_ns} + ticks.system_ns;
    system_ns = static_cast<std::uint64_t>(Product{ticks.system_ns} * usage_ns / all);
  }
  return not_below(usage_ns, system_ns, before);
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
  if ((record.kinds & CPU_CPUSET) != 0) set_figure<figure::cpuset_cpus>(row, served, record.cpuset_cpus);
  if ((record.kinds & CPU_TASKS) != 0) {
    set_figure<figure::threads>(row, served, record.tasks.current);
    if (record.tasks.max != NO_TASKS_LIMIT) set_figure<figure::threads_max>(row, served, record.tasks.max);
  }
}

bool is_complete(std::span<const unified_record> containers) {
  return std::all_of(containers.begin(), containers.end(),
                     [](const unified_record& record) { return record.nested == record.descendants; });
}

bool walks_agree(std::span<const unified_record> first, std::span<const unified_record> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const unified_record& a, const unified_record& b) {
                      return a.cpu.id == b.cpu.id && a.check == b.check && a.nested == b.nested;
                    });
}

void ShownTimes::clamp(cpu_record& record) {
  if (!scaled_ || (record.kinds & CPU_TIMES) == 0) return;
  Shown& shown = shown_[record.id];
  record.usage_ns = std::max<std::uint64_t>(record.usage_ns, shown.usage_ns);
  const Times kernels =
      adjust(record.usage_ns, {record.user_ns, record.system_ns}, {record.shown_user_ns, record.shown_system_ns});
  // Ours may be ahead of the kernel's, which does not know what we have shown.
  Times times{shown.user_ns, shown.system_ns};
  const std::uint64_t total_ns = kernels.user_ns + kernels.system_ns;
  if (times.user_ns + times.system_ns < total_ns) times = not_below(total_ns, kernels.system_ns, times);
  shown = {record.usage_ns, times.user_ns, times.system_ns, true};
  record.user_ns = times.user_ns;
  record.system_ns = times.system_ns;
}

void ShownTimes::forget_unseen() {
  std::erase_if(shown_, [](const auto& item) { return !item.second.seen; });
  for (auto& [id, shown] : shown_) shown.seen = false;
}

}  // namespace katameter::guest
