#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t tick_ns = 10'000'000;  // cpuacct.stat counts in USER_HZ

wire::Container row_of(const Daemon& daemon, const TestCgroup& cgroup) {
  auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  REQUIRE((row->cpu_usage_ns && row->cpu_user_ns && row->cpu_system_ns));
  return *row;
}

void check_between(std::uint64_t before_ticks, std::uint64_t ours_ns, std::uint64_t after_ticks) {
  CHECK(ours_ns >= before_ticks * tick_ns);
  CHECK(ours_ns < (after_ticks + 1) * tick_ns);
}

}  // namespace

TEST_CASE("User and system time lie between two reads of cpuacct.stat", "[cpu][cpu-v1]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  wire::Container row;
  for (int round = 0; round < 10; ++round) {
    if (round % 2 == 0) {
      workload.burn_cpu_ms(100);
    } else {
      workload.burn_system_ms(60);
    }
    const auto before = cgroup.read_table("cpuacct", "cpuacct.stat");
    row = row_of(daemon, cgroup);
    const auto after = cgroup.read_table("cpuacct", "cpuacct.stat");
    check_between(before.at("user"), *row.cpu_user_ns, after.at("user"));
    check_between(before.at("system"), *row.cpu_system_ns, after.at("system"));
  }
  CHECK(*row.cpu_user_ns > 200'000'000);
  CHECK(*row.cpu_system_ns > 150'000'000);
}

TEST_CASE("What a nested cgroup used as user and system time stays the container's after it is gone",
          "[cpu][nested][cpu-v1]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  {
    const TestCgroup nested('1', "/nested");
    Workload workload(nested);
    workload.burn_cpu_ms(100);
    workload.burn_system_ms(100);
    const wire::Container row = row_of(daemon, cgroup);
    user_ns = *row.cpu_user_ns;
    system_ns = *row.cpu_system_ns;
    CHECK(user_ns + system_ns >= 100'000'000);
  }
  const wire::Container row = row_of(daemon, cgroup);
  CHECK(*row.cpu_user_ns >= user_ns);
  CHECK(*row.cpu_system_ns >= system_ns);
}

TEST_CASE("A removed container is reported with its final user and system time", "[cpu][removed][cpu-v1]") {
  const Daemon daemon;
  std::map<std::string, std::uint64_t> last;
  std::string id;
  {
    TestCgroup cgroup('8');
    id = cgroup.id();
    {
      Workload workload(cgroup);
      workload.burn_cpu_ms(100);
      workload.burn_system_ms(100);
    }
    usleep(20'000);
    last = cgroup.read_table("cpuacct", "cpuacct.stat");
    cgroup.remove();
  }
  const auto row = Daemon::find(daemon.dump(), id);
  REQUIRE(row);
  CHECK(row->removed);
  check_between(last.at("user"), *row->cpu_user_ns, last.at("user"));
  check_between(last.at("system"), *row->cpu_system_ns, last.at("system"));
}
