#include <catch2/catch.hpp>

#include "guest-probe/bpf/cgroup_mounts.h"

using namespace katameter::guest;

namespace {

constexpr const char* hybrid =
    "9:memory:/system.slice/katameter-guest-probe.service\n"
    "4:cpu,cpuacct:/system.slice/with:colon.service\n"
    "2:pids:/\n"
    "1:name=systemd:/system.slice/katameter-guest-probe.service\n"
    "0::/elsewhere\n";

}  // namespace

TEST_CASE("v1 controllers are found by their hierarchies' options") {
  const auto mounts = parse_cgroup_mounts(
      "22 1 0:20 / /proc rw - proc proc rw\n"
      "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
      "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "32 25 0:27 / /elsewhere/memory rw - cgroup cgroup rw,memory\n"
      "33 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  CHECK(mounts.v1.at("cpuacct") == "/sys/fs/cgroup/cpu,cpuacct");
  CHECK(mounts.v1.at("memory") == "/sys/fs/cgroup/memory");
  CHECK(mounts.v2 == "/sys/fs/cgroup/unified");
  CHECK(mounts.v1.count("pids") == 0);
}

TEST_CASE("Lines that are no mounts are skipped") {
  const auto mounts = parse_cgroup_mounts("\n - \ngarbage\n1 2 3 - cgroup\n1 2 3 4 /x rw - cgroup2\n");
  CHECK(mounts.v1.empty());
  CHECK(mounts.v2.empty());
}

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
