#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// The number of a node in a line "KEY N0=1 N1=2", or with cgroup v1 "KEY=3 N0=1 N1=2".
std::uint64_t number_in(const TestCgroup& cgroup, const std::string& key, int node) {
  std::ifstream file(cgroup.file_path("memory", "memory.numa_stat"));
  const std::string mark = " N" + std::to_string(node) + "=";
  for (std::string line; std::getline(file, line);) {
    if (line.substr(0, line.find_first_of(" =")) == key) return std::stoull(line.substr(line.find(mark) + mark.size()));
  }
  FAIL("memory.numa_stat has no " << key);
  return 0;
}

// Pages of a node by the type that cgroup v1 has, with those of cgroups inside.
std::uint64_t pages_in_file(const TestCgroup& cgroup, const std::string& type, int node) {
  if (is_v1(cgroup)) return number_in(cgroup, "hierarchical_" + type, node);
  if (type == "unevictable") return number_in(cgroup, type, node) / page;
  return (number_in(cgroup, "inactive_" + type, node) + number_in(cgroup, "active_" + type, node)) / page;
}

struct Figure {
  const char* type;
  int node;
  wire::Figure wire::Container::*value;
};

constexpr Figure figures[] = {
    {"file", 0, &wire::Container::memory_node0_file_pages},
    {"anon", 0, &wire::Container::memory_node0_anon_pages},
    {"unevictable", 0, &wire::Container::memory_node0_unevictable_pages},
    {"file", 1, &wire::Container::memory_node1_file_pages},
    {"anon", 1, &wire::Container::memory_node1_anon_pages},
    {"unevictable", 1, &wire::Container::memory_node1_unevictable_pages},
};

// Each CPU keeps up to 32 pages of each list from the file, or what a flush is not worth. Not so of a cgroup alone with v1.
constexpr std::uint64_t late_pages = 150;

using Read = std::uint64_t (*)(const TestCgroup& cgroup, const std::string& type, int node);

void compare_with_file(const Daemon& daemon, const TestCgroup& cgroup, Read in_file, std::uint64_t late) {
  std::vector<std::uint64_t> before;
  for (const Figure& figure : figures) before.push_back(in_file(cgroup, figure.type, figure.node));
  const wire::Container row = row_of(daemon, cgroup.id());
  auto first = before.begin();
  for (const Figure& figure : figures) {
    const std::uint64_t after = in_file(cgroup, figure.type, figure.node);
    const auto [least, most] = std::minmax(*first++, after);
    const wire::Figure& ours = row.*figure.value;
    INFO(figure.type << " of node " << figure.node << ": " << least << " to " << most << ", ours " << ours.value_or(0));
    REQUIRE(ours);
    CHECK(*ours + late >= least);
    CHECK(*ours <= most + late);
  }
  CHECK_FALSE((row.memory_node2_anon_pages || row.memory_node3_anon_pages));
}

}  // namespace

TEST_CASE("Memory by NUMA node is what memory.numa_stat says; a guest of one node has none of it",
          "[any][memory][numa]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('9');
  if (!std::filesystem::exists("/sys/devices/system/node/node1")) {
    const wire::Container row = row_of(daemon, cgroup.id());
    for (const Figure& figure : figures) CHECK_FALSE(row.*figure.value);
    return;
  }
  for (const int node : {1, 0}) {
    cgroup.write("cpuset", "cpuset.mems", std::to_string(node));
    Workload workload(cgroup);
    workload.touch_anonymous(1777);
    if (node == 1) workload.read_file(3000);
    compare_with_file(daemon, cgroup, pages_in_file, late_pages);
    if (is_v1(cgroup)) compare_with_file(daemon, cgroup, number_in, 0);
    const wire::Container row = row_of(daemon, cgroup.id());
    if (node == 1) CHECK(row.memory_node1_file_pages >= 1000);
    // Each CPU may still have some that it has not put on a list.
    CHECK((node == 1 ? row.memory_node1_anon_pages : row.memory_node0_anon_pages) > 1600);
    CHECK((node == 1 ? row.memory_node0_anon_pages : row.memory_node1_anon_pages) < 1600);
  }

  const TestCgroup nested('9', "/nested");
  Workload outer(cgroup);
  Workload inner(nested);
  outer.touch_anonymous(500);
  inner.touch_anonymous(700);
  compare_with_file(daemon, cgroup, pages_in_file, late_pages);
  const wire::Container row = row_of(daemon, cgroup.id());
  CHECK(*row.memory_node0_anon_pages + *row.memory_node1_anon_pages > 1000);
}
