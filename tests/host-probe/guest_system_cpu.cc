#include "host-probe/merge/guest_system_cpu.h"

#include <catch2/catch.hpp>

using namespace katameter;

namespace {

wire::Guest guest(std::uint64_t kernel, std::uint64_t agent, std::uint64_t probe) {
  wire::Guest made;
  made.kernel_cpu_usage_ns = kernel;
  made.agent_cpu_usage_ns = agent;
  made.probe_cpu_usage_ns = probe;
  return made;
}

std::uint64_t sum(const GuestSystemCpu& cpu) {
  return cpu.kernel_ns + cpu.agent_ns + cpu.probe_ns + cpu.other_ns;
}

}  // namespace

TEST_CASE("the owners of the guest system's CPU time are all of it") {
  const auto cpu = divide_guest_system_cpu(100, guest(30, 20, 1), std::nullopt);
  REQUIRE(cpu);
  CHECK((cpu->kernel_ns == 30 && cpu->agent_ns == 20 && cpu->probe_ns == 1 && cpu->other_ns == 49));
}

TEST_CASE("a guest that does not tell the owners has none") {
  wire::Guest old = guest(1, 2, 3);
  old.agent_cpu_usage_ns.reset();
  CHECK_FALSE(divide_guest_system_cpu(100, old, std::nullopt));
}

TEST_CASE("no owner falls, and the four stay all of it") {
  const auto first = divide_guest_system_cpu(100, guest(30, 20, 1), std::nullopt);
  // The owners were read late the last time and early now: their sum rose by 15, the whole by 10.
  const auto second = divide_guest_system_cpu(110, guest(40, 25, 1), first);
  CHECK(second->other_ns == 49);
  CHECK((second->kernel_ns >= 30 && second->agent_ns >= 20 && second->probe_ns >= 1));
  CHECK(sum(*second) == 110);
  const auto third = divide_guest_system_cpu(130, guest(40, 25, 1), second);
  CHECK((third->kernel_ns == 40 && third->agent_ns == 25 && third->other_ns == 64));
}

TEST_CASE("a guest-probe that was started again begins at 0; its old time is another's") {
  const auto first = divide_guest_system_cpu(100, guest(30, 20, 10), std::nullopt);
  const auto second = divide_guest_system_cpu(101, guest(30, 20, 1), first);
  CHECK((second->probe_ns == 1 && second->other_ns == 50));
}

TEST_CASE("a guest cannot claim more for its owners than there is") {
  const auto cpu = divide_guest_system_cpu(100, guest(UINT64_MAX, UINT64_MAX, 90), std::nullopt);
  CHECK(sum(*cpu) == 100);
}
