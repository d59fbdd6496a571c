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
  return *row;
}

}  // namespace

TEST_CASE("A throttled container's CFS counters lie between two reads of cpu.stat", "[cfs][cpu-v1]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  cgroup.write("cpu", "cpu.cfs_period_us", "50000");
  cgroup.write("cpu", "cpu.cfs_quota_us", "10000");
  Workload workload(cgroup);
  workload.start_burning_ms(300);
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
    CHECK(
        (*row.cfs_throttled_ns >= before.at("throttled_time") && *row.cfs_throttled_ns <= after.at("throttled_time")));
  }
  CHECK(*row.cfs_periods > 10);
  CHECK(*row.cfs_throttled_periods > 5);
  CHECK(*row.cfs_throttled_ns > 100'000'000);
  CHECK(row.cpu_quota_us == 10'000);
  CHECK(row.cpu_period_us == 50'000);
  workload.wait_done();
}

TEST_CASE("A container without a quota has neither a quota nor CFS counters", "[cfs][cpu-v1]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  const wire::Container row = row_of(daemon, cgroup);
  CHECK((!row.cpu_quota_us && !row.cfs_periods && !row.cfs_throttled_periods && !row.cfs_throttled_ns));
  CHECK(row.cpu_period_us == cgroup.read("cpu", "cpu.cfs_period_us"));
  CHECK(row.cpu_shares == cgroup.read("cpu", "cpu.shares"));
}

TEST_CASE("Shares and the number of threads are the files'", "[cfs][threads][cpu-v1]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  CHECK_FALSE(row_of(daemon, cgroup).threads_max);
  for (const char* shares : {"2", "3", "1024", "262144"}) {
    cgroup.write("cpu", "cpu.shares", shares);
    CHECK(row_of(daemon, cgroup).cpu_shares == cgroup.read("cpu", "cpu.shares"));
  }
  CHECK(row_of(daemon, cgroup).threads == 0);
  cgroup.write("pids", "pids.max", "77");
  const Workload one(cgroup);
  const Workload two(cgroup);
  const wire::Container row = row_of(daemon, cgroup);
  CHECK(row.threads == 2);
  CHECK(row.threads == cgroup.read("pids", "pids.current"));
  CHECK(row.threads_max == 77);
}

TEST_CASE("A removed container is reported with its final CFS counters", "[cfs][removed][cpu-v1]") {
  const Daemon daemon;
  std::map<std::string, std::uint64_t> last;
  std::string id;
  {
    TestCgroup cgroup('8');
    id = cgroup.id();
    cgroup.write("cpu", "cpu.cfs_quota_us", "20000");
    {
      Workload workload(cgroup);
      workload.burn_cpu_ms(100);
    }
    usleep(200'000);
    last = cgroup.read_table("cpu", "cpu.stat");
    cgroup.remove();
  }
  const auto row = Daemon::find(daemon.dump(), id);
  REQUIRE(row);
  CHECK(row->removed);
  CHECK(row->cpu_quota_us == 20'000);
  CHECK(row->cfs_periods == last.at("nr_periods"));
  CHECK(row->cfs_throttled_periods == last.at("nr_throttled"));
  CHECK(row->cfs_throttled_ns == last.at("throttled_time"));
}
