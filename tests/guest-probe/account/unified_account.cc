#include "guest-probe/account/unified_account.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace katameter;
using namespace katameter::guest;

namespace {

unified_record make_unified(std::uint64_t id, std::uint64_t check, std::uint32_t nested = 0) {
  unified_record record{};
  record.cpu.id = id;
  record.check = check;
  record.nested = record.descendants = nested;
  return record;
}

}  // namespace

TEST_CASE("A v2 walk that misses a cgroup below a container's is not complete") {
  std::vector<unified_record> walk{make_unified(2, 0), make_unified(3, 0, 4)};
  CHECK(is_complete(walk));
  CHECK(is_complete({}));
  walk[1].nested = 3;
  CHECK_FALSE(is_complete(walk));
}

TEST_CASE("Two v2 walks agree if nothing was flushed in between, whatever was used") {
  const std::vector<unified_record> first{make_unified(2, 100), make_unified(3, 200, 4)};
  std::vector<unified_record> second = first;
  second[1].cpu.usage_ns += 1000;
  CHECK(walks_agree(first, second));
  SECTION("anywhere") {
    second[1].check = 201;
  }
  SECTION("and the containers are the same") {
    second[1].cpu.id = 7;
  }
  SECTION("and none was added") {
    second.push_back(make_unified(8, 0));
  }
  SECTION("and nothing came or went below them") {
    second[1].nested = 5;
  }
  CHECK_FALSE(walks_agree(first, second));
}
