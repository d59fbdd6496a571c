#include "guest-probe/account/pressure.h"

#include <algorithm>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {
namespace {

template <typename Raise>
void raise_totals(pressure_totals& totals, const Raise& raise) {
  std::array<std::uint64_t, PRESSURES> counters{};
  std::copy_n(totals.total_ns, counters.size(), counters.begin());
  raise(counters);
  std::copy(counters.begin(), counters.end(), totals.total_ns);
}

}  // namespace

void set_pressure(wire::Container& row, const pressure_totals& totals, const FigureSet& served) {
  set_figures<FigureGroup::pressure>(row, served, [&](std::size_t index) {
    return (totals.kinds >> index & 1) != 0 ? wire::Figure(totals.total_ns[index]) : std::nullopt;
  });
}

void PressureCounters::raise(pressure_record& record) {
  // The kernel does not count it for the time being; its totals are old.
  if (record.totals.kinds == 0) {
    counters_.pause(record.id);
    return;
  }
  raise_totals(record.totals, [&](auto& counters) { counters_.raise(record.id, counters); });
}

void PressureCounters::raise_removed(std::uint64_t cgroup_id, pressure_totals& removed) const {
  raise_totals(removed, [&](auto& counters) { counters_.raise_removed(cgroup_id, counters); });
}

}  // namespace katameter::guest
