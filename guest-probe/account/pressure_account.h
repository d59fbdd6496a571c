#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "bpf/guest/records.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Which pressure figures (PRESSURE_*) are served: what the plan has, less what the self-check refused.
using PressureFields = std::array<bool, PRESSURES>;

/// Whether any is.
bool any(const PressureFields& fields);

/// Puts what a cgroup's totals hold into a container's row.
void set_pressure(wire::Container& row, const pressure_totals& totals, const PressureFields& fields);

/// Keeps pressure from going back. A read weighs the CPUs by what they did since the kernel's last one, and with more
/// time in the balance the mean of that may be lower than it was a moment ago; so it may be in the kernel's files.
class RisingPressure {
 public:
  /// Before the records of a walk are put to keep(): forgets the cgroups that the last one did not have.
  void begin();
  void keep(pressure_record& record);
  /// The last record of a removed cgroup, likewise.
  void keep(std::uint64_t cgroup_id, pressure_totals& removed) const;

 private:
  using Totals = std::array<std::uint64_t, PRESSURES>;
  std::unordered_map<std::uint64_t, Totals> last_;
  std::unordered_map<std::uint64_t, Totals> now_;
};

}  // namespace katameter
