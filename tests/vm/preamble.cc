#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "guest-probe/bpf/facts.h"

using namespace katameter;
using namespace katameter::guest;

// Catch2 runs the tests in the order of their files and lines: this one is first. Where it fails, the comparisons
// after it would have nothing to compare, and the whole run is to fail, not to pass by doing nothing.
TEST_CASE("This guest can run BPF and has what the tests compare with", "[both]") {
  const bool v1 = !std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers");
  const KernelFacts facts = read_kernel_facts();
  REQUIRE(geteuid() == 0);
  REQUIRE(facts.may_load);
  REQUIRE(facts.btf);
  REQUIRE(facts.cpuacct_v1 == v1);
  REQUIRE(facts.memory_v1 == v1);
  REQUIRE_FALSE(facts.memory_mount.empty());
  const int status = std::system(GUEST_PROBE " check");
  // Of v2 not every kernel counts everything (kernel memory from 5.18 on, pressure where it is on): 3 says so.
  REQUIRE((WEXITSTATUS(status) == 0 || (!v1 && WEXITSTATUS(status) == 3)));
}
