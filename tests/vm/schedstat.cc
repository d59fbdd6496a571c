#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/vm/daemon.h"
#include "tests/vm/report.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

const std::vector<std::string> with_schedstat{"--schedstat"};

wire::Container row_with_schedstat(const Daemon& daemon, const std::string& id) {
  wire::Container row = row_of(daemon, id);
  REQUIRE((row.sched_run_ns && row.sched_wait_ns && row.sched_periods));
  return row;
}

struct Schedstat {
  std::uint64_t run_ns = 0;
  std::uint64_t wait_ns = 0;
  std::uint64_t periods = 0;
};

Schedstat schedstat_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
  Schedstat stat;
  REQUIRE(file >> stat.run_ns >> stat.wait_ns >> stat.periods);
  return stat;
}

// voluntary and involuntary together
std::uint64_t switches_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::uint64_t sum = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.find("voluntary_ctxt_switches:") != std::string::npos) {
      sum += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
    }
  }
  return sum;
}

// In the cgroup: `count` processes that live for a moment, one after the other.
void run_brief_processes(const TestCgroup& cgroup, int count) {
  const pid_t parent = fork();
  REQUIRE(parent >= 0);
  if (parent == 0) {
    for (const char* controller : {"cpuacct", "cpu", "memory", "pids"}) cgroup.write(controller, "cgroup.procs", "0");
    for (int i = 0; i < count; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        for (volatile int spin = 0; spin < 20'000;) spin = spin + 1;
        _exit(0);
      }
      waitpid(child, nullptr, 0);
    }
    _exit(0);
  }
  waitpid(parent, nullptr, 0);
}

std::uint64_t usage_ns(const TestCgroup& cgroup) {
  if (cgroup.has("cpu", "cpu.max")) return cgroup.read_table("cpu", "cpu.stat").at("usage_usec") * 1000;
  return cgroup.read("cpuacct", "cpuacct.usage");
}

// A kernel that does not count (no CONFIG_SCHED_INFO): then there is no figure, whatever was asked for.
bool counted_by_kernel() {
  if (std::ifstream("/proc/self/schedstat")) return true;
  const Daemon daemon({}, with_schedstat);
  const TestCgroup cgroup('1');
  const Workload workload(cgroup);
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  CHECK((!row->sched_run_ns && !row->sched_wait_ns && !row->sched_periods && !row->voluntary_switches));
  leave_out("this kernel does not count the waiting of tasks");
  return false;
}

}  // namespace

TEST_CASE("Run time, run-queue wait and switches of living tasks lie between two reads of /proc", "[any]") {
  if (!counted_by_kernel()) return;
  const Daemon daemon({}, with_schedstat);
  const TestCgroup cgroup('1');
  Workload one(cgroup);
  Workload two(cgroup);
  one.start_burning_ms(1500);
  two.start_burning_ms(1500);
  for (int sample = 0; sample < 10; ++sample) {
    usleep(50'000);
    const Schedstat before[] = {schedstat_of(one.pid()), schedstat_of(two.pid())};
    const std::uint64_t switches_before = switches_of(one.pid()) + switches_of(two.pid());
    const wire::Container row = row_with_schedstat(daemon, cgroup.id());
    const std::uint64_t switches_after = switches_of(one.pid()) + switches_of(two.pid());
    const Schedstat after[] = {schedstat_of(one.pid()), schedstat_of(two.pid())};
    CHECK(*row.sched_run_ns >= before[0].run_ns + before[1].run_ns);
    CHECK(*row.sched_run_ns <= after[0].run_ns + after[1].run_ns);
    CHECK(*row.sched_wait_ns >= before[0].wait_ns + before[1].wait_ns);
    CHECK(*row.sched_wait_ns <= after[0].wait_ns + after[1].wait_ns);
    CHECK(*row.sched_periods >= before[0].periods + before[1].periods);
    CHECK(*row.sched_periods <= after[0].periods + after[1].periods);
    CHECK(*row.voluntary_switches + *row.involuntary_switches >= switches_before);
    CHECK(*row.voluntary_switches + *row.involuntary_switches <= switches_after);
  }
  CHECK(*row_with_schedstat(daemon, cgroup.id()).sched_run_ns > 100'000'000);
  one.wait_done();
  two.wait_done();
}

TEST_CASE("No scheduler figure goes back or is lost while thousands of processes come and go", "[any]") {
  if (!counted_by_kernel()) return;
  const Daemon daemon({}, with_schedstat);
  TestCgroup cgroup('1');
  const std::string id = cgroup.id();
  const pid_t storm = fork();
  REQUIRE(storm >= 0);
  if (storm == 0) {
    run_brief_processes(cgroup, 2000);
    _exit(0);
  }
  wire::Container last = row_with_schedstat(daemon, id);
  while (waitpid(storm, nullptr, WNOHANG) == 0) {
    usleep(10'000);
    const wire::Container row = row_with_schedstat(daemon, id);
    for (const auto figure :
         {&wire::Container::sched_run_ns, &wire::Container::sched_wait_ns, &wire::Container::sched_periods,
          &wire::Container::voluntary_switches, &wire::Container::involuntary_switches}) {
      CHECK(row.*figure >= last.*figure);
    }
    last = row;
  }
  // The last of them are still on their way through RCU. What the parent used before it came is the cgroup's by its
  // task, and not by the kernel's counter of the cgroup.
  constexpr std::uint64_t before_it_came = 20'000'000;
  std::uint64_t ours = 0;
  for (int attempt = 0; attempt < 100 && ours < usage_ns(cgroup); ++attempt) {
    usleep(50'000);
    ours = *row_with_schedstat(daemon, id).sched_run_ns;
  }
  const std::uint64_t kernels = usage_ns(cgroup);
  INFO("ours " << ours << " ns, cgroup " << kernels << " ns");
  CHECK(ours >= kernels);
  CHECK(ours <= kernels + before_it_came);
  CHECK(*row_with_schedstat(daemon, id).sched_periods >= 2000);

  cgroup.remove();
  const wire::Container removed = row_with_schedstat(daemon, id);
  CHECK(removed.removed);
  CHECK(*removed.sched_run_ns >= ours);
}

TEST_CASE("Without --schedstat there is no scheduler figure", "[any]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  CHECK((!row->sched_run_ns && !row->sched_wait_ns && !row->sched_periods && !row->voluntary_switches));
}
