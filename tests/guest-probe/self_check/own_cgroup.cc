#include "guest-probe/self_check/own_cgroup.h"

#include <catch2/catch.hpp>

using katameter::guest::own_cgroup;

namespace {

constexpr const char* hybrid =
    "9:memory:/system.slice/katameter-guest-probe.service\n"
    "4:cpu,cpuacct:/system.slice/with:colon.service\n"
    "2:pids:/\n"
    "1:name=systemd:/system.slice/katameter-guest-probe.service\n"
    "0::/elsewhere\n";

}  // namespace

TEST_CASE("The own cgroup is that of the controller's hierarchy, whole names only") {
  CHECK(own_cgroup(hybrid, "memory") == "/system.slice/katameter-guest-probe.service");
  CHECK(own_cgroup(hybrid, "cpu") == "/system.slice/with:colon.service");
  CHECK(own_cgroup(hybrid, "cpuacct") == "/system.slice/with:colon.service");
  CHECK(own_cgroup(hybrid, "pids") == "/");
}

TEST_CASE("Where no v1 hierarchy has the controller the own cgroup is v2's") {
  CHECK(own_cgroup(hybrid, "blkio") == "/elsewhere");
  CHECK(own_cgroup("0::/system.slice/a.service\n", "memory") == "/system.slice/a.service");
  CHECK(own_cgroup("", "memory").empty());
  CHECK(own_cgroup("garbage\n:\n3:memory\n", "memory").empty());
}
