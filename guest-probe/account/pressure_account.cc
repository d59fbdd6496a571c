#include "guest-probe/account/pressure_account.h"

#include <algorithm>
#include <utility>

namespace katameter {
namespace {

constexpr std::array<wire::Figure wire::Container::*, PRESSURES> figures{
    &wire::Container::cpu_waiting_ns,    &wire::Container::cpu_stalled_ns, &wire::Container::memory_waiting_ns,
    &wire::Container::memory_stalled_ns, &wire::Container::io_waiting_ns,  &wire::Container::io_stalled_ns};

void raise(pressure_totals& totals, const std::array<std::uint64_t, PRESSURES>& last) {
  for (std::size_t i = 0; i < PRESSURES; ++i) totals.total_ns[i] = std::max<std::uint64_t>(totals.total_ns[i], last[i]);
}

}  // namespace

bool any(const PressureFields& fields) {
  return std::any_of(fields.begin(), fields.end(), [](bool served) { return served; });
}

void set_pressure(wire::Container& row, const pressure_totals& totals, const PressureFields& fields) {
  for (std::size_t i = 0; i < PRESSURES; ++i) {
    if (fields[i] && (totals.kinds >> i & 1) != 0) row.*figures[i] = totals.total_ns[i];
  }
}

void RisingPressure::begin() {
  last_ = std::exchange(now_, {});
}

void RisingPressure::keep(pressure_record& record) {
  const auto last = last_.find(record.id);
  if (record.totals.kinds == 0) {
    // Not counted for the time being: its totals are nobody's, and go on where they were.
    if (last != last_.end()) now_.insert(*last);
    return;
  }
  if (last != last_.end()) raise(record.totals, last->second);
  Totals& totals = now_[record.id];
  std::copy_n(record.totals.total_ns, totals.size(), totals.begin());
}

void RisingPressure::keep(std::uint64_t cgroup_id, pressure_totals& removed) const {
  for (const auto* totals : {&now_, &last_}) {
    if (const auto last = totals->find(cgroup_id); last != totals->end()) raise(removed, last->second);
  }
}

}  // namespace katameter
