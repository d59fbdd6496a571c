#include <catch2/catch.hpp>
#include <list>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("Containers beyond --max-containers are reported as a sum, equal to their files'", "[both][cpu]") {
  const Daemon daemon({}, {"--max-containers", "2"});
  std::list<TestCgroup> cgroups;
  for (const char digit : {'1', '2', '3', '4', '5'}) {
    cgroups.emplace_back(digit);
    Workload workload(cgroups.back());
    workload.burn_cpu_ms(10);
    (void)daemon.dump();  // each is met in its turn
  }
  // What a process uses in its end is charged after it was waited for.
  for (const TestCgroup& cgroup : cgroups) (void)final_cpu(cgroup);
  const Dump dump = daemon.dump();
  const wire::Guest& guest = dump.snapshot.guest;
  CHECK(dump.snapshot.containers.size() == 2);
  CHECK(Daemon::find(dump, cgroups.front().id()));
  CHECK(guest.unattributed_containers == 3);
  CpuFile all{0, 0};
  CpuFile rest{0, 0};
  for (auto cgroup = cgroups.begin(); cgroup != cgroups.end(); ++cgroup) {
    const CpuFile used = CpuFile::read(*cgroup);
    all = all + used;
    if (std::distance(cgroups.begin(), cgroup) >= 2) rest = rest + used;
  }
  CHECK(rest.ns >= 30'000'000);
  REQUIRE((guest.unattributed_cpu_usage_ns && guest.workload_cpu_usage_ns));
  CHECK(equals(rest, *guest.unattributed_cpu_usage_ns));
  CHECK(equals(all, *guest.workload_cpu_usage_ns));

  // Three of the five are removed; what they used stays in the sums.
  for (int i = 0; i < 3; ++i) cgroups.pop_back();
  const wire::Guest later = daemon.dump().snapshot.guest;
  CHECK(later.unattributed_containers == 0);
  CHECK(later.unattributed_cpu_usage_ns == guest.unattributed_cpu_usage_ns);
  CHECK(later.workload_cpu_usage_ns == guest.workload_cpu_usage_ns);
}
