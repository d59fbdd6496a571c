#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/account/cpu_account.h"
#include "guest-probe/self_check/check_cgroup.h"
#include "guest-probe/self_check/refusal.h"
#include "userspace/result.h"

namespace katameter {

/// What the files of one cgroup say of user and system time, of the cpu and of the pids controller.
struct CpuFileFigures {
  std::uint64_t user_ns = 0;            ///< cpuacct.stat: user; in steps of file_tick_ns()
  std::uint64_t system_ns = 0;          ///< cpuacct.stat: system
  std::uint64_t periods = 0;            ///< cpu.stat: nr_periods
  std::uint64_t throttled_periods = 0;  ///< cpu.stat: nr_throttled
  std::uint64_t throttled_ns = 0;       ///< cpu.stat: throttled_time
  std::uint64_t quota_us = 0;           ///< cpu.cfs_quota_us
  std::uint64_t period_us = 0;          ///< cpu.cfs_period_us
  std::uint64_t shares = 0;             ///< cpu.shares
  std::uint64_t threads = 0;            ///< pids.current
  std::uint64_t threads_max = 0;        ///< pids.max

  bool operator==(const CpuFileFigures&) const = default;
};

/// The step in which cpuacct.stat counts (USER_HZ), in ns.
std::uint64_t file_tick_ns();

/// Reads the files of those figures that are to be served.
Status read_cpu_files(const CheckCgroup& cgroup, const CpuFields& fields, CpuFileFigures& figures);

/// Compares a cgroup's record with its files; takes what differs out of `fields`.
void compare_cpu(const std::optional<cpu_record>& record, const CpuFileFigures& before, const CpuFileFigures& after,
                 CpuFields& fields, std::vector<Refusal>& refusals);

/// Adds to `all` what a walk of another hierarchy says of the same container.
void join_records(std::optional<cpu_record>& all, const cpu_record& record);

}  // namespace katameter
