#pragma once

#include <string>
#include <vector>

#include "guest-probe/bpf/programs.h"
#include "guest-probe/collect/collector.h"
#include "guest-probe/self_check/self_check_cpu.h"
#include "userspace/result.h"

namespace katameter {

/// What the files of one cgroup of cgroup v2 say.
struct UnifiedFileFigures {
  std::uint64_t usage_ns = 0;  ///< cpu.stat: usage_usec
  CpuFileFigures cpu{};  ///< cpu.stat, cpu.max, pids.current, pids.max; shares as cAdvisor makes them of cpu.weight
};

/// Compares a cgroup's record with its files, which count in microseconds. What its controllers do not keep, because
/// they are not enabled there, is not compared.
std::vector<Refusal> compare_unified(const cpu_record& record, const UnifiedFileFigures& before,
                                     const UnifiedFileFigures& after, CpuFields& fields);

/// The self-check of the CPU figures where they are those of cgroup v2; as self_check().
Result<std::vector<Refusal>> self_check_unified(GuestPrograms& programs, const CheckCgroup& cgroup,
                                                ServedFigures& served);

}  // namespace katameter
