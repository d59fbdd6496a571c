#include "guest-probe/self_check/self_check_cpu.h"

#include <unistd.h>

namespace katameter {
namespace {

using Number = Result<std::uint64_t>;
using Table = Result<std::map<std::string, std::uint64_t>>;

Status take(const Number& value, std::uint64_t& target) {
  if (!value) return failure_from(value.error());
  target = *value;
  return {};
}

std::uint64_t value_of(const std::map<std::string, std::uint64_t>& table, const char* key) {
  const auto found = table.find(key);
  return found == table.end() ? 0 : found->second;
}

Status read_times(const CheckCgroup& cgroup, CpuFileFigures& figures) {
  const Table stat = cgroup.read_cpuacct_table("cpuacct.stat");
  if (!stat) return failure_from(stat.error());
  figures.user_ns = value_of(*stat, "user") * file_tick_ns();
  figures.system_ns = value_of(*stat, "system") * file_tick_ns();
  return {};
}

Status read_bandwidth(const CheckCgroup& cgroup, CpuFileFigures& figures) {
  const Table stat = cgroup.read_cpu_table("cpu.stat");
  if (!stat) return failure_from(stat.error());
  figures.periods = value_of(*stat, "nr_periods");
  figures.throttled_periods = value_of(*stat, "nr_throttled");
  figures.throttled_ns = value_of(*stat, "throttled_time");
  Status status = take(cgroup.read_cpu("cpu.cfs_quota_us"), figures.quota_us);
  if (status) status = take(cgroup.read_cpu("cpu.cfs_period_us"), figures.period_us);
  if (status) status = take(cgroup.read_cpu("cpu.shares"), figures.shares);
  return status;
}

}  // namespace

std::uint64_t file_tick_ns() {
  static const auto per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return 1'000'000'000 / per_second;
}

Status read_cpu_files(const CheckCgroup& cgroup, const CpuFields& fields, CpuFileFigures& figures) {
  Status status;
  if (fields.user) status = read_times(cgroup, figures);
  if (status && fields.shares) status = read_bandwidth(cgroup, figures);
  if (status && fields.threads) status = take(cgroup.read_pids("pids.current"), figures.threads);
  if (status && fields.threads_max) status = take(cgroup.read_pids("pids.max"), figures.threads_max);
  return status;
}

void compare_cpu(const std::optional<cpu_record>& record, const CpuFileFigures& before, const CpuFileFigures& after,
                 CpuFields& fields, std::vector<Refusal>& refusals) {
  // Read like a container's, so that the units are compared as well.
  wire::Container row;
  if (record) set_cpu(row, *record, CpuFields());
  const auto judge = [&](const char* name, const wire::Figure& ours, auto member, bool& serve, std::uint64_t step = 1) {
    judge_figure(refusals, name, ours, before.*member, after.*member + step - 1, serve);
  };
  using File = CpuFileFigures;
  judge("cpu_user_ns", row.cpu_user_ns, &File::user_ns, fields.user, file_tick_ns());
  judge("cpu_system_ns", row.cpu_system_ns, &File::system_ns, fields.system, file_tick_ns());
  judge("cfs_periods", row.cfs_periods, &File::periods, fields.periods);
  judge("cfs_throttled_periods", row.cfs_throttled_periods, &File::throttled_periods, fields.throttled_periods);
  judge("cfs_throttled_ns", row.cfs_throttled_ns, &File::throttled_ns, fields.throttled_ns);
  judge("cpu_quota_us", row.cpu_quota_us, &File::quota_us, fields.quota);
  judge("cpu_period_us", row.cpu_period_us, &File::period_us, fields.period);
  judge("cpu_shares", row.cpu_shares, &File::shares, fields.shares);
  judge("threads", row.threads, &File::threads, fields.threads);
  judge("threads_max", row.threads_max, &File::threads_max, fields.threads_max);
}

void join_records(std::optional<cpu_record>& all, const cpu_record& record) {
  if (!all) {
    all = record;
    return;
  }
  if ((record.kinds & CPU_BANDWIDTH) != 0) all->bandwidth = record.bandwidth;
  if ((record.kinds & CPU_TASKS) != 0) all->tasks = record.tasks;
  if ((record.kinds & CPU_TIMES) != 0) {
    cpu_record times = record;
    times.bandwidth = all->bandwidth;
    times.tasks = all->tasks;
    times.kinds = all->kinds;
    all = times;
  }
  all->kinds |= record.kinds;
}

}  // namespace katameter
