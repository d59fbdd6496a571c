#include "guest-probe/containers/start_times.h"

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

name_record made(std::uint64_t id, std::uint64_t ns) {
  name_record record = make_name(id, 1, "x");
  record.made_ns = ns;
  return record;
}

}  // namespace

TEST_CASE("A cgroup's start is when it was made, or what was guessed first, and never changes") {
  StartTimes times;
  times.learn(std::vector{made(1, 0), made(2, 200)});
  CHECK_FALSE(times.find(1));
  CHECK(times.find(2) == 200);
  times.guess(1, 111);
  times.guess(1, 99);
  times.guess(2, 99);
  CHECK(times.find(1) == 111);
  CHECK(times.find(2) == 200);
  times.learn(std::vector{made(1, 0), made(2, 200), made(3, 300)});
  CHECK(times.find(1) == 111);
  CHECK(times.find(3) == 300);
}

TEST_CASE("A removed cgroup's start is known until the names were read once more") {
  StartTimes times;
  times.learn(std::vector{made(1, 100), made(2, 200)});
  times.learn(std::vector{made(2, 200)});
  CHECK(times.find(1) == 100);
  times.learn(std::vector{made(2, 200)});
  CHECK_FALSE(times.find(1));
}
