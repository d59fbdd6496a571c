#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::uint64_t cpu_of(const Daemon& daemon, const TestCgroup& cgroup) {
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  REQUIRE(row->cpu_usage_ns);
  return *row->cpu_usage_ns;
}

}  // namespace

TEST_CASE("The CPU time of a busy container lies between two reads of cpuacct.usage", "[cpu]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.start_burning_ms(3000);
  std::uint64_t last = 0;
  for (int sample = 0; sample < 20; ++sample) {
    const std::uint64_t before = cgroup.read("cpuacct", "cpuacct.usage");
    const std::uint64_t ours = cpu_of(daemon, cgroup);
    const std::uint64_t after = cgroup.read("cpuacct", "cpuacct.usage");
    CHECK(ours >= before);
    CHECK(ours <= after);
    CHECK(ours >= last);
    last = ours;
  }
  CHECK(last > 0);
  workload.wait_done();
}

TEST_CASE("The CPU time of a container at rest is cpuacct.usage to the nanosecond", "[cpu]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  for (int round = 0; round < 5; ++round) {
    workload.burn_cpu_ms(20);
    // The process may still be on its way to sleep, on a loaded machine for a while.
    std::uint64_t before = 0;
    for (std::uint64_t now = 1; before != now; usleep(50'000)) {
      before = now;
      now = cgroup.read("cpuacct", "cpuacct.usage");
    }
    const std::uint64_t ours = cpu_of(daemon, cgroup);
    const std::uint64_t after = cgroup.read("cpuacct", "cpuacct.usage");
    CHECK(ours == before);
    CHECK(ours == after);
  }
}

TEST_CASE("What a cgroup inside a container uses is the container's", "[cpu][nested]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  {
    const TestCgroup nested('1', "/nested");
    Workload workload(nested);
    workload.burn_cpu_ms(50);
    CHECK(cpu_of(daemon, cgroup) >= 50'000'000);
  }
  // The last slice of the process that ended may still be on its way.
  const std::uint64_t before = cgroup.read("cpuacct", "cpuacct.usage");
  const std::uint64_t ours = cpu_of(daemon, cgroup);
  const std::uint64_t after = cgroup.read("cpuacct", "cpuacct.usage");
  CHECK(ours >= before);
  CHECK(ours <= after);
  CHECK(ours >= 50'000'000);
}

TEST_CASE("The guest's books close: containers and the rest are the root's CPU time", "[guest]") {
  const Daemon daemon;
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
