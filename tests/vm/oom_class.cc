#include <sys/sysinfo.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <memory>

#include "tests/vm/daemon.h"
#include "tests/vm/kernel_log.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

// Tests with the tag "any" run in guests of either cgroup version.

namespace {

void set_limit(const TestCgroup& cgroup, const std::string& bytes, const std::string& above = "") {
  const bool v1 = cgroup.has("memory", "memory.limit_in_bytes");
  const std::string none = v1 ? "-1" : "max";
  cgroup.write("memory", above + (v1 ? "memory.limit_in_bytes" : "memory.max"), bytes.empty() ? none : bytes);
}

const wire::OomEvent& event_of(const Dump& dump, pid_t victim) {
  const auto found = std::find_if(dump.oom_events.begin(), dump.oom_events.end(), [&](const wire::OomEvent& event) {
    return event.victim_pid == static_cast<std::uint32_t>(victim);
  });
  REQUIRE(found != dump.oom_events.end());
  return *found;
}

pid_t kill_one(Workload& workload, std::size_t pages) {
  const pid_t pid = workload.pid();
  const int status = workload.run_out_of_memory(pages);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == SIGKILL);
  return pid;
}

// The kernel's words against the event's; returns how many kills the kernel has logged.
std::size_t compare(const std::vector<LoggedKill>& kills, const Dump& dump) {
  for (const LoggedKill& kill : kills) {
    const wire::OomEvent& event = event_of(dump, static_cast<pid_t>(kill.victim_pid));
    INFO("victim " << kill.victim_pid << " " << kill.constraint << " " << kill.oom_memcg);
    CHECK(event.cgroup == kill.task_memcg);
    CHECK(event.limit_cgroup == kill.oom_memcg);
    CHECK((event.oom_class == wire::OomClass::guest) == kill.oom_memcg.empty());
    CHECK((kill.constraint == "CONSTRAINT_MEMCG") == !kill.oom_memcg.empty());
  }
  return kills.size();
}

}  // namespace

TEST_CASE("100 OOM kills in 5 containers at once are 100 events with the right victims and class", "[any][oom]") {
  constexpr std::size_t containers = 5;
  constexpr std::size_t rounds = 20;
  const Daemon& daemon = shared_daemon();
  KernelLog log;
  std::vector<std::unique_ptr<TestCgroup>> cgroups;
  for (std::size_t i = 0; i < containers; ++i) {
    cgroups.push_back(std::make_unique<TestCgroup>(static_cast<char>('1' + i)));
    set_limit(*cgroups.back(), std::to_string((4 + i) * mebibyte));
  }
  std::vector<std::vector<pid_t>> victims(containers);
  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<Workload>> workloads;
    for (const auto& cgroup : cgroups) workloads.push_back(std::make_unique<Workload>(*cgroup, "victim"));
    for (const auto& workload : workloads) workload->start_touching(10 * mebibyte / 4096);
    for (std::size_t i = 0; i < containers; ++i) {
      victims[i].push_back(workloads[i]->pid());
      const int status = workloads[i]->wait_end();
      REQUIRE(WIFSIGNALED(status));
      REQUIRE(WTERMSIG(status) == SIGKILL);
    }
  }
  const Dump dump = daemon.dump();
  CHECK(dump.snapshot.guest.oom_events_lost == 0);
  REQUIRE(dump.oom_events.size() == containers * rounds);
  for (std::size_t i = 0; i < containers; ++i) {
    for (const pid_t victim : victims[i]) {
      const wire::OomEvent& event = event_of(dump, victim);
      INFO("container " << i << ", victim " << victim);
      REQUIRE(event.container);
      CHECK(event.container->hex() == cgroups[i]->id());
      CHECK(event.oom_class == wire::OomClass::container_limit);
      CHECK(event.limit_cgroup == cgroups[i]->path());
      CHECK(event.limit_bytes == (4 + i) * mebibyte);
      CHECK(event.limit_usage_bytes <= event.limit_bytes);
      CHECK(event.limit_usage_bytes > event.limit_bytes / 2);
    }
    CHECK(Daemon::find(dump, cgroups[i]->id())->oom_kills == rounds);
  }
  CHECK(compare(log.take_kills(), dump) > 0);
}

TEST_CASE("A limit above the container, one inside it and its own are distinguished", "[any][oom]") {
  const Daemon& daemon = shared_daemon();
  KernelLog log;
  const TestCgroup cgroup('6');
  const TestCgroup other('7');
  const TestCgroup nested('8', "/nested", TestCgroup::Inside::with_controllers);
  // Several at once at the container's own limit first: allocations that fail while another's victim dies are counted
  // as OOM events of the cgroup too, and must not be taken for the cause of a later kill.
  constexpr std::size_t crowd = 4;
  set_limit(cgroup, std::to_string(8 * mebibyte));
  std::vector<std::unique_ptr<Workload>> hogs;
  for (std::size_t i = 0; i < crowd; ++i) hogs.push_back(std::make_unique<Workload>(cgroup, "own"));
  std::vector<pid_t> own;
  for (const auto& hog : hogs) own.push_back(hog->pid());
  for (const auto& hog : hogs) hog->start_touching(10 * mebibyte / 4096);
  for (const auto& hog : hogs) REQUIRE(WIFSIGNALED(hog->wait_end()));
  set_limit(cgroup, "");

  set_limit(cgroup, std::to_string(16 * mebibyte), "../");
  Workload second(cgroup, "second");
  const pid_t above = kill_one(second, 20 * mebibyte / 4096);
  Workload third(other, "third");
  const pid_t above_other = kill_one(third, 20 * mebibyte / 4096);
  set_limit(cgroup, "", "../");

  set_limit(nested, std::to_string(8 * mebibyte));
  Workload fourth(nested, "fourth");
  const pid_t inside = kill_one(fourth, 10 * mebibyte / 4096);
  set_limit(nested, "");
  set_limit(nested, std::to_string(8 * mebibyte), "../");
  Workload fifth(nested, "fifth");
  const pid_t around = kill_one(fifth, 10 * mebibyte / 4096);

  const Dump dump = daemon.dump();
  REQUIRE(dump.oom_events.size() == crowd + 4);
  const std::string container_of_nested = nested.path().substr(0, nested.path().rfind('/'));
  for (const pid_t pid : own) {
    CHECK(event_of(dump, pid).oom_class == wire::OomClass::container_limit);
    CHECK(event_of(dump, pid).limit_cgroup == cgroup.path());
  }
  CHECK(event_of(dump, above).oom_class == wire::OomClass::pod_limit);
  CHECK(event_of(dump, above).limit_cgroup == "/cri-containerd");
  CHECK(event_of(dump, above).limit_bytes == 16 * mebibyte);
  CHECK(event_of(dump, above).memory_limit_bytes == 0);
  CHECK(event_of(dump, above_other).oom_class == wire::OomClass::pod_limit);
  CHECK(event_of(dump, inside).oom_class == wire::OomClass::container_limit);
  CHECK(event_of(dump, inside).limit_cgroup == nested.path());
  CHECK(event_of(dump, around).oom_class == wire::OomClass::container_limit);
  CHECK(event_of(dump, around).limit_cgroup == container_of_nested);
  CHECK(compare(log.take_kills(), dump) > 0);
}

TEST_CASE("A guest that is out of memory as a whole is distinguished, in a limited container too", "[any][oom]") {
  const Daemon& daemon = shared_daemon();
  KernelLog log;
  const TestCgroup cgroup('9');
  set_limit(cgroup, std::to_string(8 * mebibyte));
  Workload first(cgroup, "first");
  const pid_t own = kill_one(first, 10 * mebibyte / 4096);
  set_limit(cgroup, std::to_string(std::uint64_t{64} << 30));

  Workload second(cgroup, "second");
  // The first to go, so that neither the test nor guest-probe is.
  std::ofstream("/proc/" + std::to_string(second.pid()) + "/oom_score_adj") << "1000";
  // The kernel grants no more at once than the guest has.
  struct sysinfo guest {};
  REQUIRE(sysinfo(&guest) == 0);
  const pid_t global = kill_one(second, guest.totalram * guest.mem_unit / 4096 - 1024);

  const Dump dump = daemon.dump();
  REQUIRE(dump.oom_events.size() == 2);
  CHECK(event_of(dump, own).oom_class == wire::OomClass::container_limit);
  const wire::OomEvent& event = event_of(dump, global);
  CHECK(event.oom_class == wire::OomClass::guest);
  CHECK(event.limit_cgroup.empty());
  CHECK(event.limit_bytes == 0);
  REQUIRE(event.container);
  CHECK(event.container->hex() == cgroup.id());
  CHECK(compare(log.take_kills(), dump) == 2);
}

// v2 alone: v1 has no memory.oom.group.
TEST_CASE("memory v2: all victims of an OOM group have the class of the first", "[.v2][oom]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('a');
  set_limit(cgroup, std::to_string(8 * mebibyte));
  cgroup.write("memory", "memory.oom.group", "1");
  Workload bystander(cgroup, "bystander");
  const pid_t beside = bystander.pid();
  Workload hog(cgroup, "hog");
  const pid_t victim = kill_one(hog, 10 * mebibyte / 4096);
  REQUIRE(WIFSIGNALED(bystander.wait_end()));
  const Dump dump = daemon.dump();
  REQUIRE(dump.oom_events.size() == 2);
  for (const pid_t pid : {victim, beside}) {
    CHECK(event_of(dump, pid).oom_class == wire::OomClass::container_limit);
    CHECK(event_of(dump, pid).limit_cgroup == cgroup.path());
  }
}
