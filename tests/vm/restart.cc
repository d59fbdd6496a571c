#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;

namespace {

std::size_t rows_with(const Dump& dump, const std::string& id) {
  std::size_t rows = 0;
  for (const wire::Container& container : dump.snapshot.containers) rows += container.id.hex() == id ? 1 : 0;
  return rows;
}

// A container that comes, works and goes: its id and what it used, ns.
std::pair<std::string, std::uint64_t> live_briefly(char digit) {
  const TestCgroup cgroup(digit);
  { Workload(cgroup).burn_cpu_ms(10); }
  usleep(20'000);  // the last process has been taken off the CPU
  return {cgroup.id(), cgroup.read("cpuacct", "cpuacct.usage")};
}

// The same, ended by the OOM killer.
std::pair<std::string, std::uint64_t> run_out_of_memory(char digit, const std::string& comm) {
  const TestCgroup cgroup(digit);
  cgroup.write("memory", "memory.limit_in_bytes", "16777216");
  { REQUIRE(WIFSIGNALED(Workload(cgroup, comm).run_out_of_memory(16384))); }
  usleep(20'000);
  return {cgroup.id(), cgroup.read("cpuacct", "cpuacct.usage")};
}

}  // namespace

TEST_CASE("Killed and started again: what happened meanwhile is counted, and nothing twice") {
  Daemon daemon;
  const TestCgroup living('e');
  Workload workload(living);
  workload.burn_cpu_ms(20);
  // Removed and known, but not acknowledged, when guest-probe is killed.
  const auto [before_id, before_ns] = live_briefly('f');
  const Dump first = daemon.dump();
  REQUIRE(rows_with(first, before_id) == 1);

  daemon.end(SIGKILL);
  const auto [meanwhile_id, meanwhile_ns] = run_out_of_memory('d', "meanwhile");
  workload.burn_cpu_ms(20);
  daemon.start();

  const Dump second = daemon.dump();
  for (const auto& [id, ns] : {std::pair{before_id, before_ns}, {meanwhile_id, meanwhile_ns}}) {
    REQUIRE(rows_with(second, id) == 1);
    CHECK(Daemon::find(second, id)->removed);
    CHECK(Daemon::find(second, id)->cpu_usage_ns == ns);
  }
  REQUIRE(second.oom_events.size() == 1);
  CHECK(second.oom_events[0].sequence == 1);
  CHECK(second.oom_events[0].victim_comm == "meanwhile");
  CHECK(second.hello.instance == first.hello.instance);
  CHECK(second.snapshot.sequence > first.snapshot.sequence);
  const auto row = Daemon::find(second, living.id());
  REQUIRE(row);
  CHECK(row->cpu_usage_ns == living.read("cpuacct", "cpuacct.usage"));
  const std::uint64_t removed_ns = *second.snapshot.guest.workload_cpu_usage_ns - *row->cpu_usage_ns;
  CHECK(removed_ns == before_ns + meanwhile_ns);
}

TEST_CASE("Killed at any moment of its start or life, it tells of every container, once, and to the nanosecond") {
  Daemon daemon;
  std::vector<std::pair<std::string, std::uint64_t>> lived;
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
  std::uint64_t sum_ns = 0;
  for (const auto& [id, ns] : lived) {
    INFO(id);
    REQUIRE(rows_with(dump, id) == 1);
    CHECK(Daemon::find(dump, id)->cpu_usage_ns == ns);
    sum_ns += ns;
  }
  CHECK(dump.snapshot.guest.workload_cpu_usage_ns == sum_ns);
  CHECK(dump.snapshot.guest.containers_unreported == 0);
}

TEST_CASE("What the host has acknowledged is not told again after a restart, but stays in the total") {
  Daemon daemon;
  const auto [id, ns] = run_out_of_memory('f', "victim");
  daemon.acknowledge(daemon.dump());
  const Dump acknowledged = daemon.dump();
  CHECK(rows_with(acknowledged, id) == 0);
  CHECK(acknowledged.oom_events.empty());
  daemon.end(SIGKILL);
  daemon.start();
  const Dump again = daemon.dump();
  CHECK(rows_with(again, id) == 0);
  CHECK(again.oom_events.empty());
  CHECK(again.snapshot.guest.workload_cpu_usage_ns == ns);
}

TEST_CASE("Detached, guest-probe leaves nothing; one that runs is not detached") {
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

TEST_CASE("What a guest-probe of another version has kept is removed, and said so") {
  REQUIRE(std::system("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf") == 0);
  REQUIRE(std::system("mkdir -p /sys/fs/bpf/katameter/another-layout/maps") == 0);
  const std::string log = "/tmp/katameter-vm-log";
  const Daemon daemon({"sh", "-c", "exec \"$@\" 2>" + log, "sh"});
  CHECK(std::system(("grep -q 'started clean.*another-layout' " + log).c_str()) == 0);
  CHECK_FALSE(std::filesystem::exists("/sys/fs/bpf/katameter/another-layout"));
}
