#include "userspace/cgroup_mounts.h"

#include <catch2/catch.hpp>

using katameter::parse_cgroup_mounts;

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
