#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

// Against the kernel's own file of either version: cpuacct.usage of v1, cpu.stat of v2.

namespace {

std::uint64_t cpu_of(const Daemon& daemon, const TestCgroup& cgroup) {
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  REQUIRE(row->cpu_usage_ns);
  return *row->cpu_usage_ns;
}

// What is reported now; it lies between two reads of the file, and is not less than `last`.
std::uint64_t check_between(const Daemon& daemon, const TestCgroup& cgroup, std::uint64_t last) {
  const CpuFile before = CpuFile::read(cgroup);
  const std::uint64_t ours = cpu_of(daemon, cgroup);
  const CpuFile after = CpuFile::read(cgroup);
  INFO(ours << " ns, the file " << before.ns << " before and " << after.ns << " after");
  CHECK(lies_between(before, ours, after));
  CHECK(ours >= last);
  return ours;
}

}  // namespace

TEST_CASE("The CPU time of a busy container lies between two reads of its file and never goes back", "[both][cpu]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.start_burning_ms(3000);
  std::uint64_t last = 0;
  for (int sample = 0; sample < 20; ++sample) last = check_between(daemon, cgroup, last);
  CHECK(last > 0);
  workload.wait_done();
}

TEST_CASE("The CPU time of a container at rest is its file's, as exactly as that shows it", "[both][cpu]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  for (int round = 0; round < 5; ++round) {
    workload.burn_cpu_ms(20);
    const CpuFile before = final_cpu(cgroup);
    const std::uint64_t ours = cpu_of(daemon, cgroup);
    const CpuFile after = CpuFile::read(cgroup);
    CHECK(equals(before, ours));
    CHECK(equals(after, ours));
  }
}

TEST_CASE("What a nested cgroup used stays the container's after it is gone", "[both][cpu][nested]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  std::uint64_t last = 0;
  {
    const TestCgroup nested('1', "/nested");
    const TestCgroup deep('1', "/nested/deep");
    Workload workload(deep);
    workload.touch_anonymous(100);
    workload.burn_cpu_ms(300);
    last = cpu_of(daemon, cgroup);
    CHECK(last >= 300'000'000);
  }
  for (int sample = 0; sample < 50; ++sample) {
    last = check_between(daemon, cgroup, last);
    usleep(10'000);
  }
}

TEST_CASE("The guest's CPU time is at least that of its containers", "[both][guest]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.burn_cpu_ms(30);
  const wire::Guest before = daemon.dump().snapshot.guest;
  workload.burn_cpu_ms(100);
  const wire::Guest after = daemon.dump().snapshot.guest;
  REQUIRE((before.cpu_usage_ns && after.cpu_usage_ns && before.workload_cpu_usage_ns && after.workload_cpu_usage_ns));
  const std::uint64_t workload_ns = *after.workload_cpu_usage_ns - *before.workload_cpu_usage_ns;
  CHECK(workload_ns >= 100'000'000);
  CHECK(*after.cpu_usage_ns - *before.cpu_usage_ns >= workload_ns);
}
