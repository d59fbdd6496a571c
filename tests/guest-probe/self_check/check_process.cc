#include "guest-probe/self_check/check_process.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("Left over are cgroups of a self-check whose process is gone, and no others") {
  const std::vector<std::string> names{"katameter-check-12",  "katameter-check-13", "katameter-check-",
                                       "katameter-check-12x", "katameter-check--1", "katameter-check-0",
                                       "katameter",           "cri-containerd",     "katameter-check-99999999999999"};
  CHECK(leftovers(names, [](pid_t process) { return process == 13; }) ==
        std::vector<std::string>{"katameter-check-12"});
  CHECK(leftovers(names, [](pid_t) { return true; }).empty());
}

TEST_CASE("Where a cgroup of a self-check lies follows from the report of its process") {
  const CheckPlace place{"no such controller", "/sys/fs/cgroup/memory"};
  CHECK(check_directory(place, CheckReport::at_the_top, 12) == "/sys/fs/cgroup/memory/katameter-check-12");
  CHECK(check_directory(place, CheckReport::left_out, 12).empty());
}
