#include <signal.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/reclaim_trace.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

struct Figures {
  std::uint64_t count = 0;
  double seconds = 0;
};

Figures figures_of(const Daemon& daemon, const TestCgroup& cgroup) {
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  REQUIRE(row->memory_stalls);
  REQUIRE(row->memory_stall_ns);
  return {*row->memory_stalls, static_cast<double>(*row->memory_stall_ns) / 1e9};
}

// Both look at the clock in the same tracepoint, one after the other. A host that takes the guest's CPU away in between
// makes them differ; how much they do otherwise is looked at in the first test.
void check_same(const Figures& ours, const ReclaimTrace::Stalls& theirs) {
  REQUIRE(theirs.count > 0);
  CHECK(ours.count == theirs.count);
  CHECK(ours.seconds > theirs.seconds / 2 - 0.02);
  CHECK(ours.seconds < theirs.seconds * 2 + 0.02);
}

bool is_close(double ours, double theirs, std::uint64_t count) {
  const double slack = theirs * 0.05 + static_cast<double>(count) * 20e-6;
  return ours > theirs - slack && ours < theirs + slack;
}

}  // namespace

TEST_CASE("Stalls of a container at its limit are those of the kernel's trace, and rise only then", "[any][memory]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  const TestCgroup other('2');
  limit_memory(cgroup, 4 * mebibyte);
  Workload workload(cgroup);
  workload.touch_anonymous(10);
  CHECK(figures_of(daemon, cgroup).count == 0);
  const ReclaimTrace trace(workload.pid());
  Figures ours;
  ReclaimTrace::Stalls theirs;
  int close = 0;
  for (int round = 0; round < 5; ++round) {
    workload.read_file(16 * mebibyte / 4096);
    const Figures our_next = figures_of(daemon, cgroup);
    const ReclaimTrace::Stalls their_next = trace.read();
    check_same(our_next, their_next);
    const std::uint64_t count = their_next.count - theirs.count;
    CHECK(count > 0);
    close += is_close(our_next.seconds - ours.seconds, their_next.seconds - theirs.seconds, count) ? 1 : 0;
    ours = our_next;
    theirs = their_next;
  }
  CHECK(close >= 1);
  CHECK(figures_of(daemon, other).count == 0);
  CHECK(figures_of(daemon, other).seconds == 0);
}

TEST_CASE("Stalls in a nested cgroup are the container's, after it is gone as well", "[any][memory]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('3');
  ReclaimTrace::Stalls seen;
  {
    const TestCgroup nested('3', "/nested", TestCgroup::Inside::with_controllers);
    limit_memory(nested, 4 * mebibyte);
    Workload workload(nested);
    const ReclaimTrace trace(workload.pid());
    workload.read_file(16 * mebibyte / 4096);
    check_same(figures_of(daemon, cgroup), trace.read());
    workload.end();
    seen = trace.read();
  }
  check_same(figures_of(daemon, cgroup), seen);
}

TEST_CASE("A removed container is reported with its stalls", "[any][memory]") {
  const Daemon& daemon = shared_daemon();
  ReclaimTrace::Stalls seen;
  const std::string id(64, '4');
  {
    const TestCgroup cgroup('4');
    limit_memory(cgroup, 4 * mebibyte);
    Workload workload(cgroup);
    const ReclaimTrace trace(workload.pid());
    workload.read_file(16 * mebibyte / 4096);
    workload.end();
    seen = trace.read();
  }
  const auto row = Daemon::find(daemon.dump(), id);
  REQUIRE(row);
  CHECK(row->removed);
  REQUIRE(row->memory_stalls);
  check_same({*row->memory_stalls, static_cast<double>(*row->memory_stall_ns) / 1e9}, seen);
}

TEST_CASE("Stalls without a limit, because the guest has no memory left, are the container's too", "[any][memory]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('5');
  Workload workload(cgroup);
  std::ofstream("/proc/" + std::to_string(workload.pid()) + "/oom_score_adj") << "1000";
  const ReclaimTrace trace(workload.pid());
  struct sysinfo guest {};
  REQUIRE(sysinfo(&guest) == 0);
  REQUIRE(WIFSIGNALED(workload.run_out_of_memory(guest.totalram * guest.mem_unit / 4096 - 1024)));
  check_same(figures_of(daemon, cgroup), trace.read());
}

TEST_CASE("Stalls go on being counted while guest-probe is gone", "[any][memory]") {
  Daemon daemon;
  const TestCgroup cgroup('6');
  limit_memory(cgroup, 4 * mebibyte);
  Workload workload(cgroup);
  const ReclaimTrace trace(workload.pid());
  workload.read_file(16 * mebibyte / 4096);
  check_same(figures_of(daemon, cgroup), trace.read());
  daemon.end(SIGKILL);
  workload.read_file(16 * mebibyte / 4096);
  const ReclaimTrace::Stalls meanwhile = trace.read();
  daemon.start();
  const Figures after = figures_of(daemon, cgroup);
  CHECK(after.count >= meanwhile.count);
  workload.read_file(16 * mebibyte / 4096);
  check_same(figures_of(daemon, cgroup), trace.read());
}
