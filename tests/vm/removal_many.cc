#include <unistd.h>

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <vector>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t containers = 300;
constexpr std::uint64_t at_once = 10;

struct Brief {
  std::unique_ptr<TestCgroup> cgroup;
  std::unique_ptr<Workload> workload;
};

std::uint64_t peak_of(const TestCgroup& cgroup) {
  if (cgroup.has("memory", "memory.max_usage_in_bytes")) return cgroup.read("memory", "memory.max_usage_in_bytes");
  return cgroup.has("memory", "memory.peak") ? cgroup.read("memory", "memory.peak") : 0;
}

std::unique_ptr<TestCgroup> numbered(std::uint64_t number) {
  const std::string id = numbered_id(number);
  return std::make_unique<TestCgroup>(id, "/cri-containerd/" + id);
}

}  // namespace

TEST_CASE("300 containers that live 20 ms are each reported once, with their final CPU time", "[any][removed]") {
  const Daemon daemon;
  HostPeer host(daemon.socket());
  std::map<std::string, CpuFile> used;
  std::map<std::string, wire::Container> reported;
  NeverBack never_back;
  const auto take_reports = [&] {
    const wire::Snapshot snapshot = host.collect();
    never_back.check(snapshot);
    for (const wire::Container& row : snapshot.containers) {
      if (!row.removed) continue;
      INFO(row.cgroup);
      CHECK(reported.emplace(row.id.hex(), row).second);
    }
    host.acknowledge();
  };

  for (std::uint64_t first = 0; first < containers; first += at_once) {
    std::vector<Brief> briefs;
    for (std::uint64_t number = first; number < first + at_once; ++number) {
      Brief brief{numbered(number), nullptr};
      brief.workload = std::make_unique<Workload>(*brief.cgroup);
      // Each uses another amount, so that one that got another's figures shows.
      brief.workload->start_burning_ms(1 + number % 7);
      briefs.push_back(std::move(brief));
    }
    usleep(20'000);
    // The last one first: each was forked with the earlier ones' pipes in its hands.
    for (auto brief = briefs.rbegin(); brief != briefs.rend(); ++brief) {
      brief->workload->wait_done();
      brief->workload->end();
    }
    for (Brief& brief : briefs) {
      used[brief.cgroup->id()] = final_cpu(*brief.cgroup);
      brief.cgroup->remove();
    }
    if (first / at_once % 4 == 3) take_reports();
  }
  take_reports();
  usleep(300'000);
  take_reports();

  REQUIRE(used.size() == containers);
  CHECK(reported.size() == containers);
  for (const auto& [id, file] : used) {
    INFO(id);
    const auto row = reported.find(id);
    REQUIRE(row != reported.end());
    REQUIRE(row->second.cpu_usage_ns);
    CHECK(file.ns >= 1'000'000);
    CHECK(lies_between(file, *row->second.cpu_usage_ns, file));
  }
}

// The kernel gives a removed cgroup's css id to the next one that is made.
TEST_CASE("A container made in a removed one's place has none of its figures", "[any][removed]") {
  const Daemon daemon;
  HostPeer host(daemon.socket());
  for (std::uint64_t round = 0; round < 40; ++round) {
    INFO("round " << round);
    auto gone = numbered(2 * round);
    {
      Workload workload(*gone);
      workload.touch_anonymous(100 + round);
      workload.burn_cpu_ms(3);
    }
    const CpuFile used = final_cpu(*gone);
    const std::uint64_t peak = peak_of(*gone);
    // Every other time the first one has been seen alive.
    if (round % 2 == 0) host.collect();
    gone->remove();
    const auto fresh = numbered(2 * round + 1);
    const wire::Snapshot snapshot = host.collect();
    const auto removed = find_container(snapshot, gone->id());
    const auto living = find_container(snapshot, fresh->id());
    REQUIRE((removed && living));
    CHECK(removed->removed);
    CHECK(lies_between(used, *removed->cpu_usage_ns, used));
    if (peak > 0) CHECK(removed->memory_peak_bytes == peak);
    CHECK_FALSE(living->removed);
    CHECK(living->cpu_usage_ns == 0);
    CHECK(living->memory_usage_bytes == 0);
    CHECK(living->memory_peak_bytes == 0);
    CHECK(living->page_faults == 0);
    host.acknowledge();
  }
}

TEST_CASE("A removed container that the host has does not come back, however soon it asks again", "[any][removed]") {
  const Daemon daemon;
  HostPeer host(daemon.socket());
  NeverBack never_back;
  for (std::uint64_t round = 0; round < 20; ++round) {
    INFO("round " << round);
    const auto cgroup = numbered(5000 + round);
    {
      Workload workload(*cgroup);
      workload.touch_anonymous(100);
      workload.burn_cpu_ms(3);
    }
    const CpuFile used = final_cpu(*cgroup);
    host.collect();
    cgroup->remove();
    int reports = 0;
    for (int ask = 0; ask < 10; ++ask) {
      const wire::Snapshot snapshot = host.collect();
      never_back.check(snapshot);
      host.acknowledge();
      const auto row = find_container(snapshot, cgroup->id());
      if (!row) continue;
      ++reports;
      CHECK(row->removed);
      CHECK(lies_between(used, row->cpu_usage_ns.value_or(0), used));
    }
    CHECK(reports == 1);
  }
}
