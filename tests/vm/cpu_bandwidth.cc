#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

void set_quota(const TestCgroup& cgroup, const std::string& quota_us, const std::string& period_us) {
  if (is_v1(cgroup)) {
    cgroup.write("cpu", "cpu.cfs_period_us", period_us);
    cgroup.write("cpu", "cpu.cfs_quota_us", quota_us);
  } else {
    cgroup.write("cpu", "cpu.max", quota_us + " " + period_us);
  }
}

// What is written to the file, and the shares of it; those of a weight are cAdvisor's: 2 + (weight - 1) * 262142 / 9999.
struct Share {
  const char* text;
  std::uint64_t shares;
};

struct Shares {
  const char* file;
  std::uint64_t at_first;
  std::vector<Share> set;
};

Shares shares_of(const TestCgroup& cgroup) {
  if (is_v1(cgroup)) return {"cpu.shares", 1024, {{"2", 2}, {"3", 3}, {"1024", 1024}, {"262144", 262144}}};
  return {"cpu.weight", 2597, {{"1", 2}, {"2", 28}, {"100", 2597}, {"10000", 262144}}};
}

}  // namespace

TEST_CASE("A throttled container's CFS counters lie between two reads of cpu.stat", "[both][cfs][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  // So little that it is used up in each period, also by a guest that gets little of a busy host.
  set_quota(cgroup, "2000", "50000");
  Workload workload(cgroup);
  workload.start_burning_ms(40);
  wire::Container row;
  for (int sample = 0; sample < 20; ++sample) {
    usleep(50'000);
    const auto before = cgroup.read_table("cpu", "cpu.stat");
    const CpuFile throttled_before = CpuFile::read(cgroup, CpuTime::throttled);
    row = row_of(daemon, cgroup.id());
    const CpuFile throttled_after = CpuFile::read(cgroup, CpuTime::throttled);
    const auto after = cgroup.read_table("cpu", "cpu.stat");
    REQUIRE((row.cfs_periods && row.cfs_throttled_periods && row.cfs_throttled_ns));
    CHECK((*row.cfs_periods >= before.at("nr_periods") && *row.cfs_periods <= after.at("nr_periods")));
    CHECK((*row.cfs_throttled_periods >= before.at("nr_throttled") &&
           *row.cfs_throttled_periods <= after.at("nr_throttled")));
    CHECK(lies_between(throttled_before, *row.cfs_throttled_ns, throttled_after));
  }
  CHECK(*row.cfs_periods > 10);
  CHECK(*row.cfs_throttled_periods > 5);
  CHECK(*row.cfs_throttled_ns > 100'000'000);
  CHECK(row.cpu_quota_us == 2'000);
  CHECK(row.cpu_period_us == 50'000);
  workload.wait_done();
}

TEST_CASE("A container without a quota has neither a quota nor CFS counters", "[both][cfs][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  const wire::Container row = row_of(daemon, cgroup.id());
  CHECK((!row.cpu_quota_us && !row.cfs_periods && !row.cfs_throttled_periods && !row.cfs_throttled_ns));
  CHECK(row.cpu_period_us == 100'000);  // the kernel's default (default_cfs_period)
  CHECK(row.cpu_shares == shares_of(cgroup).at_first);
}

TEST_CASE("What a container uses above its quota is what the kernel's file says; it is absent before 5.15",
          "[both][cfs][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  set_quota(cgroup, "20000", "50000");
  const char* const file = is_v1(cgroup) ? "cpu.cfs_burst_us" : "cpu.max.burst";
  if (!cgroup.has("cpu", file)) {
    const wire::Container row = row_of(daemon, cgroup.id());
    CHECK((row.cfs_periods && !row.cfs_burst_periods && !row.cfs_burst_ns && !row.cpu_idle));
    return;
  }
  cgroup.write("cpu", file, "20000");
  Workload workload(cgroup);
  const std::string burst_time = is_v1(cgroup) ? "burst_time" : "burst_usec";
  const std::uint64_t grain_ns = is_v1(cgroup) ? 1 : 1000;
  wire::Container row;
  for (int attempt = 0; attempt < 50 && row.cfs_burst_periods.value_or(0) == 0; ++attempt) {
    usleep(200'000);  // saves what was not used in four periods
    workload.burn_cpu_ms(30);
    const auto before = cgroup.read_table("cpu", "cpu.stat");
    row = row_of(daemon, cgroup.id());
    const auto after = cgroup.read_table("cpu", "cpu.stat");
    REQUIRE((row.cfs_burst_periods && row.cfs_burst_ns));
    CHECK((*row.cfs_burst_periods >= before.at("nr_bursts") && *row.cfs_burst_periods <= after.at("nr_bursts")));
    CHECK(*row.cfs_burst_ns >= before.at(burst_time) * grain_ns);
    CHECK(*row.cfs_burst_ns < (after.at(burst_time) + 1) * grain_ns);
  }
  CHECK(row.cfs_burst_periods > 0);
  CHECK(row.cfs_burst_ns > 0);
}

TEST_CASE("A container that only gets what nobody else wants is known as such", "[both][cfs][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  if (!cgroup.has("cpu", "cpu.idle")) {
    CHECK_FALSE(row_of(daemon, cgroup.id()).cpu_idle);
    return;
  }
  CHECK(row_of(daemon, cgroup.id()).cpu_idle == 0);
  cgroup.write("cpu", "cpu.idle", "1");
  CHECK(row_of(daemon, cgroup.id()).cpu_idle == 1);
}

TEST_CASE("Shares and the number of threads are the files'", "[both][cfs][threads][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  CHECK_FALSE(row_of(daemon, cgroup.id()).threads_max);
  const Shares shares = shares_of(cgroup);
  for (const Share& share : shares.set) {
    cgroup.write("cpu", shares.file, share.text);
    INFO(shares.file << " " << share.text);
    CHECK(row_of(daemon, cgroup.id()).cpu_shares == share.shares);
  }
  CHECK(row_of(daemon, cgroup.id()).threads == 0);
  cgroup.write("pids", "pids.max", "77");
  const Workload one(cgroup);
  const Workload two(cgroup);
  const wire::Container row = row_of(daemon, cgroup.id());
  CHECK(row.threads == 2);
  CHECK(row.threads == cgroup.read("pids", "pids.current"));
  CHECK(row.threads_max == 77);
}

TEST_CASE("The CPUs that a container may run on are as many as the file of its cpuset lists", "[both][cpu]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  const Workload workload(cgroup);
  const auto cpus_of_file = [&] {
    const auto values = read_kernel_files(directories_of(cgroup), FigureSet{FigureGroup::cpuset});
    REQUIRE(values);
    return (*values)[figure::cpuset_cpus];
  };
  CHECK(row_of(daemon, cgroup.id()).cpuset_cpus == sysconf(_SC_NPROCESSORS_ONLN));
  for (const auto& [list, cpus] : {std::pair{"1", 1u}, std::pair{"0-1", 2u}, std::pair{"0", 1u}}) {
    cgroup.write("cpuset", "cpuset.cpus", list);
    INFO("cpuset.cpus " << list);
    CHECK(cpus_of_file() == cpus);
    CHECK(row_of(daemon, cgroup.id()).cpuset_cpus == cpus);
  }
}

TEST_CASE("A removed container is reported with its final CFS counters", "[both][cfs][removed][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  std::map<std::string, std::uint64_t> last;
  CpuFile throttled;
  std::string id;
  {
    TestCgroup cgroup('8');
    id = cgroup.id();
    set_quota(cgroup, "20000", "100000");
    {
      Workload workload(cgroup);
      workload.burn_cpu_ms(100);
    }
    usleep(200'000);
    last = cgroup.read_table("cpu", "cpu.stat");
    throttled = CpuFile::read(cgroup, CpuTime::throttled);
    cgroup.remove();
  }
  const wire::Container row = row_of(daemon, id);
  CHECK(row.removed);
  CHECK(row.cpu_quota_us == 20'000);
  CHECK(row.cfs_periods == last.at("nr_periods"));
  CHECK(row.cfs_throttled_periods == last.at("nr_throttled"));
  REQUIRE(row.cfs_throttled_ns);
  CHECK(equals(throttled, *row.cfs_throttled_ns));
}
