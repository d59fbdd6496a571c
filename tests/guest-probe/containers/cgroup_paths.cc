#include "guest-probe/containers/cgroup_paths.h"

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("Paths are put together from a walk's names") {
  CgroupPaths paths;
  const std::vector<name_record> names{make_name(1, 0, ""),     make_name(2, 1, "a"), make_name(3, 2, "b"),
                                       make_name(4, 3, "deep"), make_name(5, 2, "c"), make_name(6, 1, "d")};
  paths.learn(names);
  REQUIRE(paths.find(4) != nullptr);
  CHECK(*paths.find(1) == "/");
  CHECK(*paths.find(2) == "/a");
  CHECK(*paths.find(4) == "/a/b/deep");
  CHECK(*paths.find(5) == "/a/c");
  CHECK(*paths.find(6) == "/d");
  CHECK(paths.find(7) == nullptr);
}

TEST_CASE("What is no longer there is forgotten, and a record without its parent is left out") {
  CgroupPaths paths;
  paths.learn(std::vector<name_record>{make_name(1, 0, ""), make_name(2, 1, "a")});
  paths.learn(std::vector<name_record>{make_name(1, 0, ""), make_name(3, 5, "orphan"), make_name(4, 1, "b\n")});
  CHECK(paths.find(2) == nullptr);
  CHECK(paths.find(3) == nullptr);
  REQUIRE(paths.find(4) != nullptr);
  CHECK(*paths.find(4) == "/b?");
  CHECK(paths.size() == 2);
}
