#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "guest-probe/commands/startup.h"
#include "tests/support/host_peer.h"
#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// Directories of one hierarchy, removed again: cheaper to make than a cgroup in all of them.
class Directories {
 public:
  explicit Directories(std::string top) : top_(std::move(top)) { make(top_); }
  ~Directories() {
    for (auto path = made_.rbegin(); path != made_.rend(); ++path) rmdir(path->c_str());
  }
  Directories(const Directories&) = delete;
  Directories& operator=(const Directories&) = delete;

  // `count` of them in the top one, in stacks of `levels`.
  void add(std::size_t count, std::size_t levels = 1) {
    for (std::size_t i = 0; i < count; i += levels) {
      std::string path = top_ + fmt::format("/n{}", i);
      for (std::size_t level = 0; level < levels; ++level, path += "/d") make(path);
    }
  }

 private:
  void make(const std::string& path) {
    REQUIRE(mkdir(path.c_str(), 0755) == 0);
    made_.push_back(path);
  }

  std::string top_;
  std::vector<std::string> made_;
};

// Where CPU time is counted.
std::string cpu_hierarchy() {
  return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu,cpuacct";
}

std::unique_ptr<TestCgroup> burnt_container(std::uint64_t number, std::size_t ms) {
  const std::string id = numbered_id(number);
  auto cgroup = std::make_unique<TestCgroup>(id, "/cri-containerd/" + id);
  Workload workload(*cgroup);
  workload.burn_cpu_ms(ms);
  return cgroup;
}

void check_row(const wire::Snapshot& snapshot, const TestCgroup& cgroup) {
  INFO(cgroup.id());
  const auto row = find_container(snapshot, cgroup.id());
  REQUIRE(row);
  const CpuFile file = final_cpu(cgroup);
  CHECK(lies_between(file, row->cpu_usage_ns.value_or(0), file));
}

// Older containers have a row, and so has the one that is made after `count` cgroups of a guest, in stacks of `levels`.
void newest_has_its_row(const std::string& top, std::size_t count, std::size_t levels) {
  const Daemon daemon;
  HostPeer host(daemon.socket());
  NeverBack never_back;
  const auto oldest = burnt_container(7001, 20);
  never_back.check(host.collect());
  Directories others(top);
  others.add(count, levels);
  const auto newest = burnt_container(7002, 20);
  const wire::Snapshot snapshot = host.collect();
  never_back.check(snapshot);
  check_row(snapshot, *oldest);
  check_row(snapshot, *newest);
  CHECK(snapshot.guest.containers_unreported == 0);
}

// `count` containers that used nothing, and before, between and after them some that did.
void removed_stay_in_the_sum(std::size_t count) {
  constexpr std::size_t burnt = 10;
  const Daemon daemon;
  HostPeer host(daemon.socket());
  NeverBack never_back;
  std::uint64_t used = 0;
  // One hierarchy has to do for most: all that is looked at is the ring.
  Directories removed(cpu_hierarchy() + "/gone");
  for (std::size_t i = 0; i < count; ++i) {
    if (i % (count / burnt) == 0) {
      const auto cgroup = burnt_container(7000 + i / (count / burnt), 20);
      used += final_cpu(*cgroup).ns;
      if (i == 0) never_back.check(host.collect());
    }
    const std::string path = cpu_hierarchy() + "/gone/" + numbered_id(9000 + i);
    REQUIRE(mkdir(path.c_str(), 0755) == 0);
    REQUIRE(rmdir(path.c_str()) == 0);
  }
  const wire::Snapshot snapshot = host.collect();
  never_back.check(snapshot);
  CHECK(snapshot.guest.workload_cpu_usage_ns.value_or(0) >= used);
  CHECK(snapshot.guest.containers_lost >= count + burnt - REMOVED_SLOTS);
  CHECK(snapshot.guest.containers_lost <= count + burnt + 1 - REMOVED_SLOTS);
}

}  // namespace

TEST_CASE("1,400 cgroups inside a container push no other container out, and leave no figure behind",
          "[any][cpu][many]") {
  const Daemon daemon;
  HostPeer host(daemon.socket());
  NeverBack never_back;
  const auto crowded = burnt_container(7000, 20);
  const auto before = burnt_container(7001, 20);
  never_back.check(host.collect());
  {
    Directories inside(cpu_hierarchy() + crowded->path() + "/inside");
    inside.add(1400);
    const auto after = burnt_container(7002, 20);
    const wire::Snapshot snapshot = host.collect();
    never_back.check(snapshot);
    for (const TestCgroup* cgroup : {crowded.get(), before.get(), after.get()}) check_row(snapshot, *cgroup);
    CHECK(snapshot.guest.containers_unreported == 0);
  }
  // Those that were removed are in nothing that a container has, nor in the ring of removed ones.
  const wire::Snapshot snapshot = host.collect();
  never_back.check(snapshot);
  CHECK(snapshot.guest.containers_lost == 0);
  check_row(snapshot, *crowded);
}

TEST_CASE("The newest container has its row among 3,000 cgroups of the guest system", "[any][cpu][many]") {
  newest_has_its_row(cpu_hierarchy() + "/many", 3000, 4);
}

TEST_CASE("The newest container has its row among 50,000 cgroups, 4 levels deep", "[.][cpu][fifty-thousand]") {
  newest_has_its_row(cpu_hierarchy() + "/many", 50'000, 4);
}

TEST_CASE("Containers that found no place in the ring of removed ones stay in the guest's sum",
          "[any][removed][many]") {
  removed_stay_in_the_sum(REMOVED_SLOTS + 200);
}

TEST_CASE("100,000 containers that are removed between two scrapes stay in the guest's sum",
          "[.][removed][hundred-thousand]") {
  removed_stay_in_the_sum(100'000);
}

TEST_CASE("A container whose removal no program noted is reported with what it had last", "[any][removed][many]") {
  LoadOptions options;
  options.faults.load = {"note_removal"};
  const auto probe = start_guest_probe(100, "", {}, options);
  REQUIRE(probe);
  NeverBack never_back;
  const auto cgroup = burnt_container(7000, 20);
  const CpuFile used = final_cpu(*cgroup);
  std::uint64_t request = 0;
  const auto collect = [&] {
    Result<wire::Snapshot> snapshot = probe->collector->collect(++request);
    REQUIRE(snapshot);
    never_back.check(*snapshot);
    return *std::move(snapshot);
  };
  CHECK(find_container(collect(), cgroup->id()));
  cgroup->remove();
  // A walk meets it until the kernel has it offline, and it is looked for twice.
  wire::Snapshot last = collect();
  std::optional<wire::Container> row;
  for (int attempt = 0; attempt < 200 && !(row && row->removed); ++attempt) {
    usleep(20'000);
    last = collect();
    row = find_container(last, cgroup->id());
  }
  REQUIRE(row);
  CHECK(row->removed);
  CHECK(lies_between(used, row->cpu_usage_ns.value_or(0), used));
  CHECK(last.guest.workload_cpu_usage_ns.value_or(0) >= used.ns);
  probe->collector->acknowledge(last.sequence);
  CHECK_FALSE(find_container(collect(), cgroup->id()));
}

TEST_CASE("The guest's sums go on after a restart without anything that was kept in the kernel", "[any][life]") {
  Daemon daemon({}, {"--pin-dir", ""});
  NeverBack never_back;
  const auto cgroup = burnt_container(7000, 50);
  const std::uint64_t used = final_cpu(*cgroup).ns;
  never_back.check(daemon.dump().snapshot);
  cgroup->remove();
  never_back.check(daemon.dump().snapshot);
  daemon.end(SIGKILL);
  daemon.start();
  const wire::Snapshot snapshot = daemon.dump().snapshot;
  never_back.check(snapshot);
  CHECK(snapshot.guest.workload_cpu_usage_ns.value_or(0) >= used);
}
