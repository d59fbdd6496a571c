#include <sched.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string cpu1 = "/sys/devices/system/cpu/cpu1/online";

bool set_online(bool online) {
  std::ofstream file(cpu1);
  file << (online ? "1" : "0") << std::flush;
  return file.good();
}

// The guest has it again, whatever becomes of the test.
struct OnlineAgain {
  ~OnlineAgain() { set_online(true); }
};

void pin_to_cpu1(pid_t pid) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(1, &set);
  REQUIRE(sched_setaffinity(pid, sizeof(set), &set) == 0);
}

// In cgroup v1 a cpuset loses a CPU that goes, for good: the container's and the one above it.
void give_back_cpus(const TestCgroup& cgroup) {
  if (!is_v1(cgroup) || !cgroup.has("cpuset", "cpuset.cpus")) return;
  const std::filesystem::path own = cgroup.file_path("cpuset", "cpuset.cpus");
  for (const auto& file : {own.parent_path().parent_path() / "cpuset.cpus", own}) {
    REQUIRE((std::ofstream(file) << "0-1" << std::flush));
  }
}

}  // namespace

TEST_CASE("What runs on a CPU that came after guest-probe had started is counted", "[any][late CPU]") {
  const OnlineAgain online_again;
  REQUIRE(set_online(false));
  const Daemon daemon;
  HostPeer host(daemon.socket());
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.burn_cpu_ms(10);
  host.collect();

  REQUIRE(set_online(true));
  give_back_cpus(cgroup);
  pin_to_cpu1(workload.pid());
  const auto base = find_container(host.collect(), cgroup.id());
  REQUIRE(base);
  workload.burn_cpu_ms(200);
  workload.touch_anonymous(33);
  const CpuFile before = CpuFile::read(cgroup);
  const auto row = find_container(host.collect(), cgroup.id());
  const CpuFile after = CpuFile::read(cgroup);
  REQUIRE(row);
  CHECK(*row->cpu_usage_ns - *base->cpu_usage_ns >= 200'000'000);
  CHECK(lies_between(before, *row->cpu_usage_ns, after));
  // One page beyond what a CPU keeps to itself, and one less: both parts are needed to have them all.
  CHECK(*row->memory_rss_bytes - *base->memory_rss_bytes == 33 * 4096);
  workload.touch_anonymous(1);
  CHECK(*find_container(host.collect(), cgroup.id())->memory_rss_bytes - *base->memory_rss_bytes == 34 * 4096);
}
