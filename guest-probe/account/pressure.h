#pragma once

#include <cstdint>

#include "bpf/guest/records.h"
#include "guest-probe/account/monotonic_by_cgroup.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Puts what a cgroup's totals hold into a container's row, as far as it is served.
void set_pressure(wire::Container& row, const pressure_totals& totals, const FigureSet& served);

/// Keeps pressure from falling. A read weighs the CPUs by what they did since the kernel's last one, and with more time in
/// the balance the mean of that may be lower than it was a moment ago; so it may be in the kernel's files.
class PressureCounters {
 public:
  void begin() { counters_.begin(); }
  void raise(pressure_record& record);
  void raise_removed(std::uint64_t cgroup_id, pressure_totals& removed) const;

 private:
  MonotonicByCgroup<PRESSURES> counters_;
};

}  // namespace katameter::guest
