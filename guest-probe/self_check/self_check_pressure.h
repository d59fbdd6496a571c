#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest-probe/bpf/programs.h"
#include "guest-probe/collect/collector.h"
#include "guest-probe/self_check/self_check_cpu.h"
#include "userspace/result.h"

namespace katameter {

/// What the files of one cgroup say of pressure, us (PRESSURE_*); no value: no such file or line.
using PressureFiles = std::array<std::optional<std::uint64_t>, PRESSURES>;

/// Compares a cgroup's totals with its files, read before and after. Little waits in a cgroup that was just made, so
/// its process' work is the witness that the CPUs' counters are read: `least_busy_ns` to `most_busy_ns`.
std::vector<Refusal> compare_pressure(const pressure_totals& totals, const PressureFiles& before,
                                      const PressureFiles& after, std::uint64_t least_busy_ns,
                                      std::uint64_t most_busy_ns, PressureFields& fields);

/// The self-check of the pressure figures, of cgroup v2; as self_check().
Result<std::vector<Refusal>> self_check_pressure(GuestPrograms& programs, const CheckCgroup& cgroup, int cpus,
                                                 ServedFigures& served);

}  // namespace katameter
