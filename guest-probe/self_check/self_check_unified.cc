#include "guest-probe/self_check/self_check_unified.h"

#include <charconv>

#include "guest-probe/account/shown_times.h"
#include "guest-probe/self_check/check_cgroup.h"

namespace katameter {
namespace {

constexpr std::uint64_t step_ns = 1000;

using Table = std::map<std::string, std::uint64_t>;

std::uint64_t value_of(const Table& table, const char* key) {
  const auto found = table.find(key);
  return found == table.end() ? 0 : found->second;
}

// "QUOTA PERIOD"
void read_max(const Table& table, CpuFileFigures& figures) {
  const auto& [quota, period] = *table.begin();
  std::from_chars(quota.data(), quota.data() + quota.size(), figures.quota_us);
  figures.period_us = period;
}

Status read_files(const CheckCgroup& cgroup, UnifiedFileFigures& figures) {
  const auto stat = cgroup.read_cpuacct_table("cpu.stat");
  if (!stat) return failure_from(stat.error());
  figures.usage_ns = value_of(*stat, "usage_usec") * step_ns;
  figures.cpu.user_ns = value_of(*stat, "user_usec") * step_ns;
  figures.cpu.system_ns = value_of(*stat, "system_usec") * step_ns;
  figures.cpu.periods = value_of(*stat, "nr_periods");
  figures.cpu.throttled_periods = value_of(*stat, "nr_throttled");
  figures.cpu.throttled_ns = value_of(*stat, "throttled_usec") * step_ns;
  // These are there where the controllers are enabled.
  if (const auto max = cgroup.read_cpuacct_table("cpu.max")) read_max(*max, figures.cpu);
  if (const auto weight = cgroup.read_cpuacct("cpu.weight")) figures.cpu.shares = shares_of_weight(*weight);
  figures.cpu.threads = cgroup.read_cpuacct("pids.current").value_or(0);
  figures.cpu.threads_max = cgroup.read_cpuacct("pids.max").value_or(0);
  return {};
}

Result<cpu_record> read_record(GuestPrograms& programs, std::uint64_t id) {
  const Result<Walk<unified_record>> walk = programs.walk_unified();
  if (!walk) return failure_from(walk.error());
  for (const unified_record& record : walk->containers()) {
    if (record.cpu.id == id) return record.cpu;
  }
  return cpu_record{};
}

}  // namespace

std::vector<Refusal> compare_unified(const cpu_record& record, const UnifiedFileFigures& before,
                                     const UnifiedFileFigures& after, CpuFields& fields) {
  wire::Container row;
  set_cpu(row, record, CpuFields());
  std::vector<Refusal> refusals;
  const auto judge = [&](const char* name, const wire::Figure& ours, auto member, bool& serve, std::uint64_t step = 1) {
    judge_figure(refusals, name, ours, before.cpu.*member, after.cpu.*member + step - 1, serve);
  };
  using File = CpuFileFigures;
  judge_figure(refusals, "cpu_usage_ns", row.cpu_usage_ns, before.usage_ns, after.usage_ns + step_ns - 1, fields.usage);
  judge("cpu_user_ns", row.cpu_user_ns, &File::user_ns, fields.user, step_ns);
  judge("cpu_system_ns", row.cpu_system_ns, &File::system_ns, fields.system, step_ns);
  if ((record.kinds & CPU_BANDWIDTH) != 0) {
    judge("cfs_periods", row.cfs_periods, &File::periods, fields.periods);
    judge("cfs_throttled_periods", row.cfs_throttled_periods, &File::throttled_periods, fields.throttled_periods);
    judge("cfs_throttled_ns", row.cfs_throttled_ns, &File::throttled_ns, fields.throttled_ns, step_ns);
    judge("cpu_quota_us", row.cpu_quota_us, &File::quota_us, fields.quota);
    judge("cpu_period_us", row.cpu_period_us, &File::period_us, fields.period);
    judge("cpu_shares", row.cpu_shares, &File::shares, fields.shares);
  }
  if ((record.kinds & CPU_TASKS) != 0) {
    judge("threads", row.threads, &File::threads, fields.threads);
    judge("threads_max", row.threads_max, &File::threads_max, fields.threads_max);
  }
  return refusals;
}

Result<std::vector<Refusal>> self_check_unified(GuestPrograms& programs, const CheckCgroup& cgroup,
                                                ServedFigures& served) {
  UnifiedFileFigures before;
  UnifiedFileFigures after;
  if (Status status = read_files(cgroup, before); !status) return failure_from(status.error());
  Result<cpu_record> record = read_record(programs, cgroup.cpuacct_id());
  if (!record) return failure_from(record.error());
  if (Status status = read_files(cgroup, after); !status) return failure_from(status.error());

  ShownTimes(true).settle(*record);
  served.cpu_fields.usage = served.cpu;
  std::vector<Refusal> refusals = compare_unified(*record, before, after, served.cpu_fields);
  served.cpu = served.cpu_fields.usage;
  return refusals;
}

}  // namespace katameter
