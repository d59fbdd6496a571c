#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/lived.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("Killed and started again: what happened meanwhile is counted, and nothing twice", "[any][life]") {
  Daemon daemon;
  const TestCgroup living('e');
  Workload workload(living);
  workload.burn_cpu_ms(20);
  // Removed and known, but not acknowledged, when guest-probe is killed.
  const Lived before = live_briefly('f');
  const Dump first = daemon.dump();
  REQUIRE(rows_with(first, before.id) == 1);

  daemon.end(SIGKILL);
  const Lived meanwhile = run_out_of_memory('d', "meanwhile");
  workload.burn_cpu_ms(20);
  daemon.start();

  const Dump second = daemon.dump();
  require_final_row(second, before);
  require_final_row(second, meanwhile);
  REQUIRE(second.oom_events.size() == 1);
  CHECK(second.oom_events[0].sequence == 1);
  CHECK(second.oom_events[0].victim_comm == "meanwhile");
  CHECK(second.hello.instance == first.hello.instance);
  CHECK(second.snapshot.sequence > first.snapshot.sequence);
  const auto row = Daemon::find(second, living.id());
  REQUIRE(row);
  CHECK(equals(final_cpu(living), *row->cpu_usage_ns));
  const std::uint64_t removed_ns = *second.snapshot.guest.workload_cpu_usage_ns - *row->cpu_usage_ns;
  CHECK(equals(before.cpu + meanwhile.cpu, removed_ns));
}

TEST_CASE("Killed at any moment of its start or life, it reports every container, once, and to the nanosecond",
          "[any][life]") {
  Daemon daemon;
  std::vector<Lived> lived;
  unsigned delay_us = 0;
  for (const char digit : {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}) {
    daemon.end(SIGKILL);
    daemon.launch();
    // From before it has loaded anything, over its handing over, to after it is ready.
    usleep(delay_us);
    delay_us += 150'000;
    lived.push_back(live_briefly(digit));
  }
  daemon.end(SIGKILL);
  daemon.start();
  const Dump dump = daemon.dump();
  CpuFile sum{0, 0};
  for (const Lived& container : lived) {
    require_final_row(dump, container);
    sum = sum + container.cpu;
  }
  REQUIRE(dump.snapshot.guest.workload_cpu_usage_ns);
  CHECK(equals(sum, *dump.snapshot.guest.workload_cpu_usage_ns));
  CHECK(dump.snapshot.guest.containers_lost == 0);
}

TEST_CASE("What the host has acknowledged is not reported again after a restart, but stays in the total",
          "[any][life]") {
  Daemon daemon;
  const Lived victim = run_out_of_memory('f', "victim");
  daemon.acknowledge_all();
  const Dump acknowledged = daemon.dump();
  CHECK(rows_with(acknowledged, victim.id) == 0);
  CHECK(acknowledged.oom_events.empty());
  daemon.end(SIGKILL);
  daemon.start();
  const Dump again = daemon.dump();
  CHECK(rows_with(again, victim.id) == 0);
  CHECK(again.oom_events.empty());
  REQUIRE(again.snapshot.guest.workload_cpu_usage_ns);
  CHECK(equals(victim.cpu, *again.snapshot.guest.workload_cpu_usage_ns));
}

TEST_CASE("Detached, guest-probe leaves nothing; one that runs is not detached", "[any][life]") {
  const std::string pins = "/sys/fs/bpf/katameter";
  Daemon daemon;
  CHECK(std::filesystem::exists(pins));
  CHECK(std::system(GUEST_PROBE " detach 2>/dev/null") != 0);
  (void)daemon.dump();
  daemon.end(SIGTERM);
  CHECK(std::filesystem::exists(pins));
  CHECK(std::system(GUEST_PROBE " detach") == 0);
  CHECK_FALSE(std::filesystem::exists(pins));
}

TEST_CASE("What a guest-probe of another version has pinned is removed, and logged", "[any][life]") {
  REQUIRE(std::system("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf") == 0);
  REQUIRE(std::system("mkdir -p /sys/fs/bpf/katameter/another-layout/maps") == 0);
  const std::string log = "/tmp/katameter-vm-log";
  const Daemon daemon({"sh", "-c", "exec \"$@\" 2>" + log, "sh"});
  CHECK(std::system(("grep -q 'started clean.*another-layout' " + log).c_str()) == 0);
  CHECK_FALSE(std::filesystem::exists("/sys/fs/bpf/katameter/another-layout"));
}
