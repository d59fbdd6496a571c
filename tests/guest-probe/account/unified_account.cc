#include "guest-probe/account/unified_account.h"

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;

namespace {

unified_record make_unified(std::uint64_t id, std::uint32_t depth, std::uint64_t flushed, std::uint64_t handed_up,
                            std::uint64_t pending, std::uint64_t descendants = 0) {
  unified_record record{};
  record.cpu = make_cpu(id, depth, depth == 0 ? 9999 : 0);
  record.flushed[TIME_USAGE] = flushed;
  record.handed_up[TIME_USAGE] = handed_up;
  record.pending[TIME_USAGE] = pending;
  record.descendants = descendants;
  return record;
}

// / - a - b - c
//       - d
//   - e
std::vector<unified_record> sample_walk() {
  return {make_unified(1, 0, 0, 0, 0, 5),  make_unified(2, 1, 1000, 0, 10), make_unified(3, 2, 300, 250, 20),
          make_unified(4, 3, 100, 100, 5), make_unified(5, 2, 40, 40, 0),   make_unified(6, 1, 7, 0, 1)};
}

}  // namespace

TEST_CASE("A v2 cgroup's time is what is flushed and what is on its way up from below, each once") {
  const std::vector<cpu_record> sums = sum_unified(sample_walk());
  REQUIRE(sums.size() == 6);
  CHECK(sums[0].usage_ns == 9999);  // the root's is cpuacct's
  CHECK(sums[3].usage_ns == 105);
  CHECK(sums[2].usage_ns == 300 + 20 + 5);
  CHECK(sums[4].usage_ns == 40);
  CHECK(sums[1].usage_ns == 1000 + 10 + (300 + 20 - 250) + 5);
  CHECK(sums[5].usage_ns == 8);
}

TEST_CASE("A flush changes no v2 sum") {
  std::vector<unified_record> walk = sample_walk();
  // Of the cgroup c, up to a: pending to flushed, and on to each parent.
  walk[3] = make_unified(4, 3, 105, 105, 0);
  walk[2] = make_unified(3, 2, 325, 325, 0);
  walk[1] = make_unified(2, 1, 1000 + 10 + 75, 0, 0);
  const std::vector<cpu_record> before = sum_unified(sample_walk());
  const std::vector<cpu_record> after = sum_unified(walk);
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(after[i].usage_ns == before[i].usage_ns);
}

TEST_CASE("A v2 walk that misses a cgroup is not complete") {
  std::vector<unified_record> walk = sample_walk();
  CHECK(is_complete(walk, walk.size()));
  CHECK_FALSE(is_complete(walk, walk.size() + 1));
  walk.pop_back();
  CHECK_FALSE(is_complete(walk, walk.size()));
  CHECK_FALSE(is_complete({}, 0));
}

TEST_CASE("Two v2 walks agree if nothing was flushed in between, whatever was used") {
  const std::vector<unified_record> first = sample_walk();
  std::vector<unified_record> second = first;
  second[1].pending[TIME_USAGE] += 1000;
  CHECK(walks_agree(first, second));
  SECTION("from a CPU") {
    second[3].taken_ns = 1;
  }
  SECTION("into a cgroup") {
    second[3].flushed[TIME_SYSTEM] = 1;
  }
  SECTION("into its parent") {
    second[3].handed_up[TIME_USER] = 1;
  }
  SECTION("and the cgroups are the same") {
    second[5].cpu.node.id = 7;
  }
  SECTION("and none was added") {
    second.push_back(make_unified(8, 1, 0, 0, 0));
  }
  CHECK_FALSE(walks_agree(first, second));
}
