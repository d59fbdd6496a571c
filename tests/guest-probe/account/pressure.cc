#include <catch2/catch.hpp>

#include "guest-probe/account/pressure_account.h"
#include "guest-probe/self_check/self_check_pressure.h"

using namespace katameter;

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

PressureFields served() {
  PressureFields fields;
  fields.fill(true);
  return fields;
}

PressureFiles files(std::uint64_t us) {
  PressureFiles made;
  made.fill(us);
  return made;
}

}  // namespace

TEST_CASE("A row has the pressure that its kernel counts and that is served") {
  wire::Container row;
  PressureFields fields = served();
  fields[PRESSURE_IO_SOME] = false;
  set_pressure(row, totals(10, all & ~(1u << PRESSURE_CPU_FULL)), fields);
  CHECK(row.cpu_waiting_ns == 10);
  CHECK_FALSE(row.cpu_stalled_ns);
  CHECK(row.memory_waiting_ns == 12);
  CHECK(row.memory_stalled_ns == 13);
  CHECK_FALSE(row.io_waiting_ns);
  CHECK(row.io_stalled_ns == 15);
}

TEST_CASE("Pressure does not go back, be it with a cgroup's last record") {
  RisingPressure pressure;
  const auto keep = [&](std::uint64_t id, std::uint64_t ns) {
    pressure_record each = record(id, ns);
    pressure.begin();
    pressure.keep(each);
    return each.totals.total_ns[0];
  };
  CHECK(keep(1, 100) == 100);
  CHECK(keep(1, 90) == 100);
  CHECK(keep(1, 110) == 110);
  pressure_totals removed = totals(105);
  pressure.keep(1, removed);
  CHECK(removed.total_ns[0] == 110);
  pressure_totals other = totals(105);
  pressure.keep(2, other);
  CHECK(other.total_ns[0] == 105);
  keep(3, 1);
  CHECK(keep(1, 50) == 50);  // the last walk did not have it: forgotten

  // Not counted for two walks, whose totals are whatever was at their place before.
  for (const std::uint64_t ns : {900u, 0u}) {
    pressure_record off = record(1, ns);
    off.totals.kinds = 0;
    pressure.begin();
    pressure.keep(off);
  }
  CHECK(keep(1, 40) == 50);
  CHECK(keep(1, 60) == 60);
}

TEST_CASE("Pressure that lies between two reads of the files is served") {
  PressureFields fields{};
  fields.fill(true);
  CHECK(compare_pressure(totals(5'000), files(5), files(6), 2'000'000, 9'000'000, fields).empty());
  CHECK(fields == served());
}

TEST_CASE("Pressure that differs from its file, or of a cgroup that was busy and is read as idle, is refused") {
  PressureFields fields = served();
  PressureFiles before = files(5);
  before[PRESSURE_MEMORY_SOME] = 6;
  const auto one = compare_pressure(totals(5'000), before, files(7), 2'000'000, 9'000'000, fields);
  REQUIRE(one.size() == 1);
  CHECK(one[0].figure == "memory_waiting_ns");
  CHECK_FALSE(fields[PRESSURE_MEMORY_SOME]);
  CHECK(fields[PRESSURE_MEMORY_FULL]);

  for (const std::uint64_t busy_ns : {std::uint64_t{0}, std::uint64_t{9'000'001}}) {
    pressure_totals wrong = totals(5'000);
    wrong.busy_ns = busy_ns;
    fields = served();
    CHECK(compare_pressure(wrong, files(5), files(6), 2'000'000, 9'000'000, fields).size() == PRESSURES);
    CHECK_FALSE(any(fields));
  }
}

TEST_CASE("Pressure without a file is absent, not wrong") {
  PressureFields fields = served();
  const auto refusals = compare_pressure(totals(0, 0), PressureFiles{}, PressureFiles{}, 2'000'000, 9'000'000, fields);
  REQUIRE(refusals.size() == PRESSURES);
  CHECK(refusals[0].absent);
  CHECK_FALSE(any(fields));
}
