#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/programs.h"
#include "guest-probe/self_check/kernel_files.h"
#include "guest-probe/self_check/served_figures.h"
#include "userspace/result.h"

namespace katameter::guest {

/// What the kernel says of this process by other ways.
struct OwnTask {
  std::uint64_t cpu_before_ns = 0;  ///< CLOCK_PROCESS_CPUTIME_ID before the walk
  std::uint64_t cpu_after_ns = 0;   ///< and after it
  std::uint64_t start_ticks = 0;    ///< /proc/self/stat: start time, in file_tick_ns()
  std::uint64_t cgroup_id = 0;      ///< inode of its cgroup's directory; 0 = could not be looked up
};

/// Compares this process' record with that. A walk that reads it wrong reads all wrong: nothing of it is served then.
std::vector<Refusal> compare_tasks(const std::optional<task_record>& record, const OwnTask& own, ServedFigures& served);

/// Goes through the guest's tasks once and compares; as self_check().
Result<std::vector<Refusal>> self_check_tasks(GuestPrograms& programs, ServedFigures& served);

}  // namespace katameter::guest
