#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

wire::Container row_of(const Daemon& daemon, const TestCgroup& cgroup) {
  auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  REQUIRE((row->cpu_usage_ns && row->cpu_user_ns && row->cpu_system_ns));
  return *row;
}

// Ours against a file in microseconds, read before and after.
void check_between(std::uint64_t before_us, std::uint64_t ours_ns, std::uint64_t after_us) {
  CHECK(ours_ns >= before_us * 1000);
  CHECK(ours_ns < (after_us + 1) * 1000);
}

constexpr auto times = {std::pair{"usage_usec", &wire::Container::cpu_usage_ns},
                        std::pair{"user_usec", &wire::Container::cpu_user_ns},
                        std::pair{"system_usec", &wire::Container::cpu_system_ns}};

}  // namespace

TEST_CASE("cpu v2: usage, user and system time lie between two reads of cpu.stat", "[cpu]") {
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
    const auto before = cgroup.read_table("cpu", "cpu.stat");
    row = row_of(daemon, cgroup);
    const auto after = cgroup.read_table("cpu", "cpu.stat");
    for (const auto& [key, figure] : times) {
      INFO(key);
      check_between(before.at(key), *(row.*figure), after.at(key));
    }
  }
  CHECK(*row.cpu_user_ns > 200'000'000);
  CHECK(*row.cpu_system_ns > 100'000'000);
}

TEST_CASE("cpu v2: without a reader of cpu.stat nothing is flushed, and all the time is there all the same", "[cpu]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.burn_cpu_ms(200);
  const wire::Container row = row_of(daemon, cgroup);
  CHECK(*row.cpu_usage_ns >= 200'000'000);
  check_between(0, *row.cpu_usage_ns, cgroup.read_table("cpu", "cpu.stat").at("usage_usec"));
}

TEST_CASE("cpu v2: a throttled container's CFS counters, its limits and its threads are the files'", "[cfs][threads]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  CHECK_FALSE(row_of(daemon, cgroup).cpu_quota_us);
  CHECK_FALSE(row_of(daemon, cgroup).cfs_periods);
  CHECK(row_of(daemon, cgroup).cpu_shares == 2597);  // cAdvisor's figure for the weight 100
  CHECK_FALSE(row_of(daemon, cgroup).threads_max);
  // So little that it is used up in each period, also by a guest that gets little of a busy host.
  cgroup.write("cpu", "cpu.max", "2000 50000");
  cgroup.write("cpu", "cpu.weight", "10000");
  cgroup.write("pids", "pids.max", "77");
  Workload workload(cgroup);
  workload.start_burning_ms(40);
  wire::Container row;
  for (int sample = 0; sample < 20; ++sample) {
    usleep(50'000);
    const auto before = cgroup.read_table("cpu", "cpu.stat");
    row = row_of(daemon, cgroup);
    const auto after = cgroup.read_table("cpu", "cpu.stat");
    REQUIRE((row.cfs_periods && row.cfs_throttled_periods && row.cfs_throttled_ns));
    CHECK((*row.cfs_periods >= before.at("nr_periods") && *row.cfs_periods <= after.at("nr_periods")));
    CHECK((*row.cfs_throttled_periods >= before.at("nr_throttled") &&
           *row.cfs_throttled_periods <= after.at("nr_throttled")));
    check_between(before.at("throttled_usec"), *row.cfs_throttled_ns, after.at("throttled_usec"));
  }
  CHECK(*row.cfs_throttled_ns > 10'000'000);
  CHECK((row.cpu_quota_us == 2'000 && row.cpu_period_us == 50'000));
  CHECK(row.cpu_shares == 262144);
  CHECK(row.threads == cgroup.read("pids", "pids.current"));
  CHECK(row.threads_max == 77);
  workload.wait_done();
}

TEST_CASE("cpu v2: a removed container is reported with its final times, a removed nested cgroup's in them",
          "[cpu][removed]") {
  const Daemon daemon;
  std::map<std::string, std::uint64_t> last;
  std::string id;
  {
    TestCgroup cgroup('8');
    id = cgroup.id();
    {
      Workload workload(cgroup);
      workload.burn_cpu_ms(50);
    }
    {
      const TestCgroup nested('8', "/nested");
      Workload workload(nested);
      workload.touch_anonymous(100);
      workload.burn_cpu_ms(50);
      workload.burn_system_ms(50);
    }
    usleep(20'000);
    last = cgroup.read_table("cpu", "cpu.stat");
    cgroup.remove();
  }
  const auto row = Daemon::find(daemon.dump(), id);
  REQUIRE(row);
  CHECK(row->removed);
  CHECK(row->cpu_usage_ns >= 150'000'000);
  for (const auto& [key, figure] : times) {
    INFO(key);
    check_between(last.at(key), *((*row).*figure), last.at(key));
  }
}
