#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/storms.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::uint64_t usage_of(const wire::Snapshot& snapshot, const TestCgroup& cgroup) {
  const auto row = find_container(snapshot, cgroup.id());
  REQUIRE(row);
  REQUIRE(row->cpu_usage_ns);
  return *row->cpu_usage_ns;
}

// What the kernel counted for a process that is at rest: all its threads, and those that have ended.
std::uint64_t process_ns(const Workload& workload) {
  clockid_t clock{};
  timespec time{};
  REQUIRE(clock_getcpuclockid(workload.pid(), &clock) == 0);
  REQUIRE(clock_gettime(clock, &time) == 0);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

void move_to(const TestCgroup& cgroup, pid_t pid) {
  for (const char* controller : {"cpuacct", "cpu", "memory"}) {
    cgroup.write(controller, "cgroup.procs", std::to_string(pid));
  }
}

}  // namespace

TEST_CASE("In every storm the CPU time lies between two readings of the kernel's file, and nothing goes back",
          "[any][cpu]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  const TestCgroup cgroup('1');
  NeverBack never_back;
  Workload workload(cgroup);
  struct Storm {
    const char* name;
    void (Workload::*start)(std::size_t);
    std::size_t amount;
  };
  for (const Storm& storm : {Storm{"ping-pong over pipes", &Workload::start_ping_pong, 10'000},
                             Storm{"10,000 processes", &Workload::start_processes, 10'000},
                             Storm{"10,000 threads", &Workload::start_threads, 10'000}}) {
    INFO(storm.name);
    const std::uint64_t start = usage_of(host.collect(), cgroup);
    (workload.*storm.start)(storm.amount);
    int samples = 0;
    for (bool done = false; !done; ++samples) {
      done = workload.is_done();
      const CpuFile before = CpuFile::read(cgroup);
      const wire::Snapshot snapshot = host.collect();
      const CpuFile after = CpuFile::read(cgroup);
      const std::uint64_t ours = usage_of(snapshot, cgroup);
      INFO(before.ns << " <= " << ours << " <= " << after.ns);
      CHECK(lies_between(before, ours, after));
      never_back.check(snapshot);
      usleep(10'000);
    }
    CHECK(samples >= 5);
    // 10,000 lives, or as many switches there and back, have cost something, however fast the machine.
    CHECK(usage_of(host.collect(), cgroup) - start > 10'000 * 1'000);
  }
}

TEST_CASE("A process whose threads are moved between two containers in mid-work is charged to both, nothing twice",
          "[any][cpu]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  const TestCgroup one('1');
  const TestCgroup two('2');
  NeverBack never_back;
  Workload workload(one);
  workload.burn_cpu_ms(5);
  usleep(50'000);
  const wire::Snapshot first = host.collect();
  const std::uint64_t charged_before = usage_of(first, one) + usage_of(first, two);
  const std::uint64_t used_before = process_ns(workload);

  int moves = 0;
  const auto move_and_look = [&] {
    move_to(moves % 2 == 0 ? two : one, workload.pid());
    ++moves;
    const std::array<CpuFile, 2> before{CpuFile::read(one), CpuFile::read(two)};
    const wire::Snapshot snapshot = host.collect();
    const std::array<CpuFile, 2> after{CpuFile::read(one), CpuFile::read(two)};
    CHECK(lies_between(before[0], usage_of(snapshot, one), after[0]));
    CHECK(lies_between(before[1], usage_of(snapshot, two), after[1]));
    never_back.check(snapshot);
    usleep(5'000);
  };
  // There and back, twice: how often it can be moved in one round of work is up to the machine.
  for (int round = 0; moves < 4 && round < 10; ++round) {
    workload.start_burning_threads_ms(500);
    while (!workload.is_done()) move_and_look();
  }
  CHECK(moves >= 4);

  usleep(50'000);
  const wire::Snapshot last = host.collect();
  // How it is shared out is up to the machine.
  CHECK(usage_of(last, one) > 50'000'000);
  CHECK(usage_of(last, two) > 50'000'000);
  // The same updates of the scheduler's clock charge the process and its cgroup: not a nanosecond between them.
  CHECK(usage_of(last, one) + usage_of(last, two) - charged_before == process_ns(workload) - used_before);
}

TEST_CASE("Sampled every 10 ms beside a throttled container, dying cgroups and another reader, no counter goes back",
          "[any][cpu][cfs]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  const TestCgroup cgroup('1');
  if (cgroup.has("cpu", "cpu.max")) {
    cgroup.write("cpu", "cpu.max", "60000 100000");
  } else {
    cgroup.write("cpu", "cpu.cfs_quota_us", "60000");
  }
  Workload workload(cgroup);
  workload.start_burning_threads_ms(400);
  std::atomic<bool> end = false;
  std::thread reader([&] {
    while (!end) {
      std::ifstream(cgroup.file_path("cpu", "cpu.stat")).ignore(1 << 16, '\0');
      std::ifstream(cgroup.file_path("cpuacct", "cpuacct.stat")).ignore(1 << 16, '\0');
      usleep(500);
    }
  });
  NeverBack never_back;
  std::uint64_t nested_ns = 0;
  for (int sample = 0; sample < 200; ++sample) {
    if (sample % 10 == 0) {
      const TestCgroup nested('1', "/nested");
      Workload brief(nested);
      brief.burn_cpu_ms(3);
      nested_ns += 3'000'000;
    }
    usleep(10'000);
    const wire::Snapshot snapshot = host.collect();
    never_back.check(snapshot);
    // What died inside stays the container's, also while another reader makes the kernel carry it upwards.
    CHECK(usage_of(snapshot, cgroup) >= nested_ns);
  }
  end = true;
  reader.join();
  workload.wait_done();
  CHECK(usage_of(host.collect(), cgroup) >= nested_ns + burning_threads * 400'000'000);
}
