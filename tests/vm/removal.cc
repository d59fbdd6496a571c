#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("A container that lived 50 ms is in the next snapshot with its final CPU and peak", "[removed]") {
  const Daemon daemon;
  std::uint64_t final_cpu = 0;
  std::uint64_t final_peak = 0;
  std::string id;
  {
    TestCgroup cgroup('8');
    id = cgroup.id();
    {
      Workload workload(cgroup);
      workload.touch_anonymous(500);
      workload.burn_cpu_ms(50);
    }
    // Its last process is gone: nothing can be added between these reads and the removal.
    usleep(20'000);
    final_cpu = cgroup.read("cpuacct", "cpuacct.usage");
    final_peak = cgroup.read("memory", "memory.max_usage_in_bytes");
    cgroup.remove();
  }
  const auto row = Daemon::find(daemon.dump(), id);
  REQUIRE(row);
  CHECK(row->removed);
  CHECK(final_cpu >= 50'000'000);
  CHECK(row->cpu_usage_ns == final_cpu);
  CHECK(row->memory_peak_bytes == final_peak);
}

TEST_CASE("What removed containers used stays in the workload's total", "[removed][guest]") {
  const Daemon daemon;
  std::uint64_t last = *daemon.dump().snapshot.guest.workload_cpu_usage_ns;
  for (int round = 0; round < 5; ++round) {
    {
      const TestCgroup cgroup('9');
      Workload workload(cgroup);
      workload.burn_cpu_ms(20);
      const std::uint64_t alive = *daemon.dump().snapshot.guest.workload_cpu_usage_ns;
      CHECK(alive >= last + 20'000'000);
      last = alive;
    }
    const std::uint64_t gone = *daemon.dump().snapshot.guest.workload_cpu_usage_ns;
    CHECK(gone >= last);
    last = gone;
  }
}

TEST_CASE("Containers that were there before guest-probe are found", "[paths]") {
  const TestCgroup cgroup('a');
  Workload workload(cgroup);
  workload.burn_cpu_ms(10);
  const Daemon daemon;
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  CHECK(row->cpu_usage_ns == cgroup.read("cpuacct", "cpuacct.usage"));
  CHECK(row->cgroup == cgroup.path());
}
