#include "guest-probe/account/shown_times.h"

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// Of one cgroup: usage, ticks of user and system, and what the kernel showed last.
cpu_record clamped(ShownTimes& times, std::uint64_t usage, std::uint64_t user, std::uint64_t system,
                   std::uint64_t shown_user = 0, std::uint64_t shown_system = 0) {
  cpu_record record = make_cpu(1, usage);
  record.user_ns = user;
  record.system_ns = system;
  record.shown_user_ns = shown_user;
  record.shown_system_ns = shown_system;
  times.clamp(record);
  return record;
}

}  // namespace

TEST_CASE("Where the kernel does not scale, ticks are shown as they are") {
  ShownTimes times(false);
  const cpu_record record = clamped(times, 1000, 700, 900);
  CHECK((record.user_ns == 700 && record.system_ns == 900));
}

TEST_CASE("Where the kernel scales, both together are the usage, in the ratio of the ticks") {
  ShownTimes times(true);
  const cpu_record record = clamped(times, 1000, 300, 100);
  CHECK((record.user_ns == 750 && record.system_ns == 250));
  ShownTimes others(true);
  CHECK(clamped(others, 1000, 0, 0).user_ns == 1000);
  ShownTimes third(true);
  CHECK(clamped(third, 1000, 0, 5).system_ns == 1000);
}

TEST_CASE("No product is too large for a long-lived container") {
  ShownTimes times(true);
  const std::uint64_t year = 365ull * 86400 * 1'000'000'000;
  const cpu_record record = clamped(times, 8 * year, 6 * year, 2 * year);
  CHECK((record.user_ns == 6 * year && record.system_ns == 2 * year));
}

TEST_CASE(
    "Neither time goes back when the ratio of the ticks falls, nor when another reader made the kernel show less") {
  ShownTimes times(true);
  CHECK(clamped(times, 1000, 100, 100).system_ns == 500);
  const cpu_record second = clamped(times, 1100, 1000, 100);
  CHECK((second.system_ns == 500 && second.user_ns == 600));
  const cpu_record third = clamped(times, 1200, 1000, 100, 1000, 100);
  CHECK((third.system_ns >= 500 && third.user_ns >= 600));
  CHECK(third.system_ns + third.user_ns == 1200);
}

TEST_CASE("What the kernel has shown to others is not undercut") {
  ShownTimes times(true);
  const cpu_record record = clamped(times, 1000, 900, 100, 500, 400);
  CHECK((record.system_ns == 400 && record.user_ns == 600));
}

TEST_CASE("A cgroup that is gone is forgotten") {
  ShownTimes times(true);
  clamped(times, 1000, 1, 1);
  times.forget_unseen();
  CHECK(times.size() == 1);
  times.forget_unseen();
  CHECK(times.size() == 0);
}
