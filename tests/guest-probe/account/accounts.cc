#include <unistd.h>

#include <catch2/catch.hpp>

#include "guest-probe/account/cpu_account.h"
#include "guest-probe/account/memory_account.h"
#include "guest-probe/account/rising_faults.h"
#include "tests/guest-probe/records.h"

using namespace katameter;

namespace {

const std::string name_a(64, 'a');
const ContainerId id_a = *ContainerId::from_hex(name_a);
const auto page = static_cast<std::uint64_t>(getpagesize());

// / - cri-containerd - a - nested - deep
//   - system.slice
CgroupPaths sample_paths() {
  CgroupPaths paths;
  paths.learn(std::vector<name_record>{make_name(1, 0, ""), make_name(2, 1, "cri-containerd"), make_name(3, 2, name_a),
                                       make_name(4, 3, "nested"), make_name(5, 4, "deep"),
                                       make_name(6, 1, "system.slice")});
  return paths;
}

}  // namespace

TEST_CASE("A container's CPU time is its own cgroup's, which has the nested ones in it") {
  const CpuAccount account =
      account_cpu(std::vector<cpu_record>{make_cpu(1, 0, 1000), make_cpu(2, 1, 600), make_cpu(3, 2, 500),
                                          make_cpu(4, 3, 400), make_cpu(6, 1, 100)},
                  sample_paths());
  CHECK(account.root_ns == 1000);
  REQUIRE(account.containers.size() == 1);
  CHECK(account.containers.at(id_a).usage_ns == 500);
  CHECK(account.containers.at(id_a).node.id == 3);
}

TEST_CASE("A cgroup whose directory is gone is no container") {
  const CpuAccount account = account_cpu(
      std::vector<cpu_record>{make_cpu(1, 0, 1000), make_cpu(2, 1, 600), make_cpu(3, 2, 500, 0)}, sample_paths());
  CHECK(account.containers.empty());
}

TEST_CASE("Pending pages are summed over the subtree, the removed part of it included") {
  const std::vector<memory_record> walk{make_memory(1, 0, 0, 1),
                                        make_memory(2, 1, 0, 2),
                                        make_memory(3, 2, 50, 3),
                                        make_memory(4, 3, 20, 4),
                                        make_memory(9, 4, 0, 5, NODE_CHARGES_PARENT),
                                        make_memory(6, 1, 0, -7)};
  CHECK(subtree_pending(walk, STAT_ANON) == std::vector<std::int64_t>{8, 14, 12, 9, 5, -7});
  const auto containers = account_memory(walk, sample_paths(), MemoryFields());
  REQUIRE(containers.size() == 1);
  CHECK(containers.at(id_a).rss_bytes == (50 + 12) * page);
  CHECK(containers.at(id_a).usage_bytes == 100 * page);
  CHECK(containers.at(id_a).peak_bytes == 200 * page);
  CHECK(containers.at(id_a).limit_bytes == 300 * page);
}

TEST_CASE("Without use_hierarchy a child's pages are not its parent's") {
  const std::vector<memory_record> walk{make_memory(1, 0, 0, 1), make_memory(2, 1, 0, 2, NODE_ONLINE),
                                        make_memory(3, 2, 0, 4)};
  CHECK(subtree_pending(walk, STAT_ANON) == std::vector<std::int64_t>{1, 6, 4});
}

TEST_CASE("A limit that is none, and a figure that is not served, are left out") {
  std::vector<memory_record> walk{make_memory(1, 0, 0, 0), make_memory(2, 1, 0, 0), make_memory(3, 2, 50, 0)};
  walk[2].limit_pages = static_cast<std::uint64_t>(INT64_MAX) / page;
  MemoryFields fields;
  fields.rss = false;
  const auto containers = account_memory(walk, sample_paths(), fields);
  REQUIRE(containers.size() == 1);
  CHECK_FALSE(containers.at(id_a).limit_bytes);
  CHECK_FALSE(containers.at(id_a).rss_bytes);
  CHECK(containers.at(id_a).cache_bytes == 0);
}

TEST_CASE("Working set is usage less inactive file, and never negative") {
  std::vector<memory_record> walk{make_memory(1, 0, 0, 0), make_memory(2, 1, 0, 0), make_memory(3, 2, 0, 0)};
  walk[2].stat[STAT_INACTIVE_FILE] = 30;
  walk[2].pending[STAT_INACTIVE_FILE] = 2;
  CHECK(account_memory(walk, sample_paths(), MemoryFields()).at(id_a).working_set_bytes == 68 * page);
  walk[2].stat[STAT_INACTIVE_FILE] = 150;
  CHECK(account_memory(walk, sample_paths(), MemoryFields()).at(id_a).working_set_bytes == 0);
}

TEST_CASE("OOM kills in nested cgroups are the container's") {
  std::vector<memory_record> walk{make_memory(1, 0, 0, 0), make_memory(2, 1, 0, 0), make_memory(3, 2, 0, 0),
                                  make_memory(4, 3, 0, 0), make_memory(5, 4, 0, 0)};
  walk[2].oom_kills = 1;
  walk[3].oom_kills = 2;
  walk[4].oom_kills = 4;
  CHECK(account_memory(walk, sample_paths(), MemoryFields()).at(id_a).oom_kills == 7);
}

TEST_CASE("In cgroup v2 a kill in a nested cgroup is in the container's own count already") {
  std::vector<memory_record> walk{make_memory(1, 0, 0, 0), make_memory(2, 1, 0, 0), make_memory(3, 2, 0, 0),
                                  make_memory(4, 3, 0, 0)};
  walk[2].oom_kills = 3;
  walk[3].oom_kills = 2;
  MemoryFields fields;
  fields.unified = true;
  CHECK(account_memory(walk, sample_paths(), fields).at(id_a).oom_kills == 3);
}

TEST_CASE("Stalls of nested cgroups are in the container's own count already, and are absent where not counted") {
  std::vector<memory_record> walk{make_memory(1, 0, 0, 0), make_memory(2, 1, 0, 0), make_memory(3, 2, 0, 0),
                                  make_memory(4, 3, 0, 0)};
  walk[2].stalls = 3;
  walk[2].stall_ns = 300;
  walk[3].stalls = 2;
  walk[3].stall_ns = 200;
  MemoryFields fields;
  CHECK(account_memory(walk, sample_paths(), fields).at(id_a).stalls == 3);
  CHECK(account_memory(walk, sample_paths(), fields).at(id_a).stall_ns == 300);
  fields.stalls = false;
  CHECK_FALSE(account_memory(walk, sample_paths(), fields).at(id_a).stalls);
}

TEST_CASE("Page faults are events of the subtree, not bytes") {
  std::vector<memory_record> walk{make_memory(1, 0, 0, 0), make_memory(2, 1, 0, 0), make_memory(3, 2, 0, 0),
                                  make_memory(4, 3, 0, 0)};
  walk[2].stat[STAT_FAULTS] = 64;
  walk[2].pending[STAT_FAULTS] = 3;
  walk[3].pending[STAT_FAULTS] = 5;
  CHECK(account_memory(walk, sample_paths(), MemoryFields()).at(id_a).page_faults == 72);
}

TEST_CASE("Two walks agree only if nothing was handed in between") {
  const std::vector<memory_record> first{make_memory(1, 0, 10, 1), make_memory(2, 1, 5, 2)};
  std::vector<memory_record> second = first;
  CHECK(walks_agree(first, second));
  second[1].pending[STAT_ANON] = 31;  // a page touched in between is no disturbance
  CHECK(walks_agree(first, second));
  second[1].stat[STAT_ANON] = 38;
  CHECK_FALSE(walks_agree(first, second));
  CHECK_FALSE(walks_agree({}, first));
  second = {first[0], make_memory(3, 1, 5, 2)};
  CHECK_FALSE(walks_agree(first, second));
}

TEST_CASE("Page faults do not go back, neither in a living cgroup nor in what is left of it") {
  RisingFaults rising;
  ContainerMemory memory;
  memory.cgroup_id = 3;
  const auto keep = [&](std::uint64_t faults) {
    memory.page_faults = faults;
    rising.begin();
    rising.keep(memory);
    return *memory.page_faults;
  };
  CHECK(keep(100) == 100);
  CHECK(keep(90) == 100);
  CHECK(keep(110) == 110);
  memory_record removed = make_memory(3, 2, 0, 0);
  removed.stat[STAT_FAULTS] = 60;
  removed.pending[STAT_FAULTS] = 40;
  rising.keep(3, removed);
  CHECK(removed.stat[STAT_FAULTS] + removed.pending[STAT_FAULTS] == 110);
  rising.begin();
  rising.begin();  // it was not seen in between: another cgroup may not inherit anything
  CHECK(keep(5) == 5);
}
