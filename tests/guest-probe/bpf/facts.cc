#include "guest-probe/bpf/facts.h"

#include <catch2/catch.hpp>
#include <string>

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("A list of CPUs is read with its ranges and holes") {
  CHECK(*parse_cpu_list("0\n") == std::vector<int>{0});
  CHECK(*parse_cpu_list("0-3,8\n") == std::vector<int>{0, 1, 2, 3, 8});
  CHECK(*parse_cpu_list("2,4-5,511") == std::vector<int>{2, 4, 5, 511});
  CHECK(parse_cpu_list("\n")->empty());  // as "offline" is where all are online
  CHECK(parse_cpu_list("0-239")->size() == 240);
}

TEST_CASE("What is not a list of CPUs is refused") {
  for (const std::string text : {"x", "0-", "-1", "3-1", "0,,2", "0,", "0 1", "1,0", "0-65536", "99999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_cpu_list(text));
  }
}

TEST_CASE("This machine's lists of CPUs can be read, and an online CPU is a possible one") {
  const auto possible = read_cpu_list("possible");
  const auto online = read_cpu_list("online");
  REQUIRE((possible && online));
  REQUIRE_FALSE(online->empty());
  CHECK(possible->back() >= online->back());
  CHECK_FALSE(read_cpu_list("no-such-list"));
}
