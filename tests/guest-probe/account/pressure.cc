#include <catch2/catch.hpp>

#include "guest-probe/account/pressure.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint32_t all = (1u << PRESSURES) - 1;

pressure_totals totals(std::uint64_t first_ns, std::uint32_t kinds = all) {
  pressure_totals made{};
  for (std::uint64_t i = 0; i < PRESSURES; ++i) made.total_ns[i] = first_ns + i;
  made.busy_ns = 2'500'000;
  made.kinds = kinds;
  return made;
}

pressure_record record(std::uint64_t id, std::uint64_t first_ns) {
  return {.id = id, .totals = totals(first_ns)};
}

}  // namespace

TEST_CASE("A row has the pressure that its kernel counts and that is served") {
  wire::Container row;
  FigureSet served = FigureSet::all();
  served.remove(figure::io_waiting_ns);
  set_pressure(row, totals(10, all & ~(1u << PRESSURE_CPU_FULL)), served);
  CHECK(row.cpu_waiting_ns == 10);
  CHECK_FALSE(row.cpu_stalled_ns);
  CHECK(row.memory_waiting_ns == 12);
  CHECK(row.memory_stalled_ns == 13);
  CHECK_FALSE(row.io_waiting_ns);
  CHECK(row.io_stalled_ns == 15);
}

TEST_CASE("Pressure does not fall, nor does a cgroup's last record") {
  PressureCounters pressure;
  const auto keep = [&](std::uint64_t id, std::uint64_t ns) {
    pressure_record each = record(id, ns);
    pressure.begin();
    pressure.raise(each);
    return each.totals.total_ns[0];
  };
  CHECK(keep(1, 100) == 100);
  CHECK(keep(1, 90) == 100);
  CHECK(keep(1, 110) == 110);
  pressure_totals removed = totals(105);
  pressure.raise_removed(1, removed);
  CHECK(removed.total_ns[0] == 110);
  pressure_totals other = totals(105);
  pressure.raise_removed(2, other);
  CHECK(other.total_ns[0] == 105);
  keep(3, 1);
  CHECK(keep(1, 50) == 50);  // the last walk did not have it: forgotten

  // Not counted for two walks, whose totals are whatever was at their place before.
  for (const std::uint64_t ns : {900u, 0u}) {
    pressure_record off = record(1, ns);
    off.totals.kinds = 0;
    pressure.begin();
    pressure.raise(off);
  }
  CHECK(keep(1, 40) == 50);
  CHECK(keep(1, 60) == 60);
}
