#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("A container that lived 50 ms is in the next snapshot with its final CPU time and peak", "[both][removed]") {
  const Daemon& daemon = shared_daemon();
  CpuFile last_cpu;
  std::optional<std::uint64_t> final_peak;
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
    last_cpu = final_cpu(cgroup);
    final_peak = read_memory_peak(cgroup);
    cgroup.remove();
  }
  const auto row = Daemon::find(daemon.dump(), id);
  REQUIRE(row);
  CHECK(row->removed);
  REQUIRE((row->cpu_usage_ns && row->memory_peak_bytes && row->page_faults));
  CHECK(*row->cpu_usage_ns >= 50'000'000);
  CHECK(equals(last_cpu, *row->cpu_usage_ns));
  CHECK(*row->memory_peak_bytes >= 500 * 4096);
  if (final_peak) CHECK(row->memory_peak_bytes == final_peak);
  CHECK(*row->page_faults >= 500);
}

TEST_CASE("What removed containers used stays in the workload's total", "[both][removed][guest]") {
  const Daemon& daemon = shared_daemon();
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

TEST_CASE("Containers that were there before guest-probe are found", "[both][paths]") {
  const TestCgroup cgroup('a');
  Workload workload(cgroup);
  workload.burn_cpu_ms(10);
  const Daemon& daemon = shared_daemon();
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  REQUIRE(row->cpu_usage_ns);
  CHECK(equals(CpuFile::read(cgroup), *row->cpu_usage_ns));
  CHECK(row->cgroup == cgroup.path());
}
