#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::uint64_t own_anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  FAIL("no RssAnon");
  return 0;
}

}  // namespace

TEST_CASE("Ten OOM kills are ten counted and ten events with the right victims", "[both][oom]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('6');
  limit_memory(cgroup, 16777216);
  // A victim begins as a copy of this process, whose pages are not charged to it.
  const std::uint64_t inherited = own_anonymous_bytes();
  std::vector<std::uint32_t> victims;
  for (int kill = 0; kill < 10; ++kill) {
    Workload workload(cgroup, "victim-" + std::to_string(kill));
    victims.push_back(static_cast<std::uint32_t>(workload.pid()));
    const int status = workload.run_out_of_memory(16384);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(WTERMSIG(status) == SIGKILL);
  }
  const Dump dump = daemon.dump();
  const auto row = Daemon::find(dump, cgroup.id());
  REQUIRE(row);
  CHECK(row->oom_kills == 10);
  CHECK(row->oom_kills == read_memory(cgroup, MemoryFile::oom_kills));
  CHECK(dump.snapshot.guest.oom_events_lost == 0);
  REQUIRE(dump.oom_events.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) {
    const wire::OomEvent& event = dump.oom_events[i];
    INFO("event " << i);
    CHECK(event.sequence == i + 1);
    REQUIRE(event.container);
    CHECK(event.container->hex() == cgroup.id());
    CHECK(event.cgroup == cgroup.path());
    CHECK(event.victim_pid == victims[i]);
    CHECK(event.victim_comm == "victim-" + std::to_string(i));
    CHECK(event.memory_limit_bytes == 16777216);
    CHECK(event.memory_usage_bytes <= event.memory_limit_bytes);
    // What filled the limit was the victim's anonymous memory.
    CHECK(event.victim_anon_bytes > 12u << 20);
    CHECK(event.victim_anon_bytes < (17u << 20) + inherited);
  }
}

TEST_CASE("Events wait for whoever acknowledges them, and kills in a nested cgroup are the container's",
          "[both][oom][nested]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('7');
  const TestCgroup nested('7', "/nested", TestCgroup::Inside::with_controllers);
  limit_memory(nested, 8388608);
  for (int kill = 0; kill < 3; ++kill) {
    Workload workload(nested, "inner-" + std::to_string(kill));
    REQUIRE(WIFSIGNALED(workload.run_out_of_memory(8192)));
  }
  for (int read = 0; read < 2; ++read) {
    const Dump dump = daemon.dump();
    const auto row = Daemon::find(dump, cgroup.id());
    REQUIRE(row);
    CHECK(row->oom_kills == 3);
    CHECK(row->oom_kills == read_memory(is_v1(cgroup) ? nested : cgroup, MemoryFile::oom_kills));
    REQUIRE(dump.oom_events.size() == 3);
    for (std::size_t kill = 0; kill < 3; ++kill) {
      const wire::OomEvent& event = dump.oom_events[kill];
      REQUIRE(event.container);
      CHECK(event.container->hex() == cgroup.id());
      CHECK(event.cgroup == nested.path());
      CHECK(event.victim_comm == "inner-" + std::to_string(kill));
      CHECK(event.memory_limit_bytes == 8388608);
    }
  }
}
