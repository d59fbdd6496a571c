#include <array>
#include <catch2/catch.hpp>
#include <string>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

struct Time {
  const char* name;
  CpuTime file;
  wire::Figure wire::Container::*figure;

  CpuFile read(const TestCgroup& cgroup) const { return CpuFile::read(cgroup, file); }
};
constexpr std::array times{Time{"usage", CpuTime::usage, &wire::Container::cpu_usage_ns},
                           Time{"user", CpuTime::user, &wire::Container::cpu_user_ns},
                           Time{"system", CpuTime::system, &wire::Container::cpu_system_ns}};

std::array<CpuFile, times.size()> files_of(const TestCgroup& cgroup) {
  std::array<CpuFile, times.size()> files;
  for (std::size_t i = 0; i < times.size(); ++i) files[i] = times[i].read(cgroup);
  return files;
}

wire::Container row_with_times(const Daemon& daemon, const std::string& id) {
  wire::Container row = row_of(daemon, id);
  REQUIRE((row.cpu_usage_ns && row.cpu_user_ns && row.cpu_system_ns));
  return row;
}

}  // namespace

TEST_CASE("Usage, user and system time lie between two reads of their files", "[both][cpu][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  wire::Container row;
  for (int round = 0; round < 10; ++round) {
    if (round % 2 == 0) {
      workload.burn_cpu_ms(100);
    } else {
      workload.burn_system_ms(60);
    }
    const auto before = files_of(cgroup);
    row = row_with_times(daemon, cgroup.id());
    const auto after = files_of(cgroup);
    for (std::size_t i = 0; i < times.size(); ++i) {
      INFO(times[i].name);
      CHECK(lies_between(before[i], *(row.*times[i].figure), after[i]));
    }
  }
  CHECK(*row.cpu_user_ns > 200'000'000);
  CHECK(*row.cpu_system_ns > 100'000'000);
}

// v2 alone: v1 has no per-CPU times that a reader flushes.
TEST_CASE("cpu v2: without a reader of cpu.stat nothing is flushed, and all the time is there all the same", "[cpu]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.burn_cpu_ms(200);
  const wire::Container row = row_with_times(daemon, cgroup.id());
  CHECK(*row.cpu_usage_ns >= 200'000'000);
  CHECK(lies_between({}, *row.cpu_usage_ns, CpuFile::read(cgroup)));
}

TEST_CASE("What a nested cgroup used as user and system time stays the container's after it is gone",
          "[both][cpu][nested][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  wire::Container before;
  {
    const TestCgroup nested('1', "/nested");
    Workload workload(nested);
    workload.burn_cpu_ms(100);
    workload.burn_system_ms(100);
    before = row_with_times(daemon, cgroup.id());
    CHECK(*before.cpu_user_ns + *before.cpu_system_ns >= 100'000'000);
  }
  const wire::Container row = row_with_times(daemon, cgroup.id());
  CHECK(*row.cpu_user_ns >= *before.cpu_user_ns);
  CHECK(*row.cpu_system_ns >= *before.cpu_system_ns);
}

TEST_CASE("A removed container is reported with its final times, a removed nested cgroup's in them",
          "[both][cpu][removed][cpu-apart]") {
  const Daemon& daemon = shared_daemon();
  std::array<CpuFile, times.size()> last;
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
    final_cpu(cgroup);
    last = files_of(cgroup);
    cgroup.remove();
  }
  const wire::Container row = row_with_times(daemon, id);
  CHECK(row.removed);
  CHECK(row.cpu_usage_ns >= 150'000'000);
  for (std::size_t i = 0; i < times.size(); ++i) {
    INFO(times[i].name);
    CHECK(equals(last[i], *(row.*times[i].figure)));
  }
}
