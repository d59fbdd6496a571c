#include "host-probe/trust/value_range.h"

#include <catch2/catch.hpp>

using namespace katameter;

namespace {

constexpr std::uint64_t uptime_ns = 1'000'000;

wire::Snapshot with(wire::Figure wire::Container::*figure, std::uint64_t value) {
  wire::Snapshot made;
  made.boottime_ns = uptime_ns;
  made.containers.emplace_back().id = *ContainerId::from_hex(std::string(64, 'a'));
  made.containers[0].*figure = value;
  return made;
}

void check_most(wire::Figure wire::Container::*figure, std::uint64_t most) {
  CHECK_FALSE(check_values(with(figure, most)));
  const auto drop = check_values(with(figure, most + 1));
  REQUIRE(drop);
  CHECK(drop->reason == DropReason::out_of_range);
}

}  // namespace

TEST_CASE("a container has no more CPU time than its guest's CPUs can have had") {
  check_most(&wire::Container::cpu_usage_ns, 4096 * uptime_ns);
  check_most(&wire::Container::cpu_user_ns, 4096 * uptime_ns);
}

TEST_CASE("nor has it waited for more than all tasks together") {
  check_most(&wire::Container::memory_stall_ns, 4194304 * uptime_ns);
  check_most(&wire::Container::cfs_throttled_ns, 4194304 * uptime_ns);
}

TEST_CASE("memory and counters are numbers that a series can show") {
  check_most(&wire::Container::memory_usage_bytes, std::uint64_t{1} << 53);
  check_most(&wire::Container::oom_kills, std::uint64_t{1} << 53);
}

TEST_CASE("a limit may be anything") {
  CHECK_FALSE(check_values(with(&wire::Container::memory_limit_bytes, UINT64_MAX)));
  CHECK_FALSE(check_values(with(&wire::Container::threads_max, UINT64_MAX)));
}

TEST_CASE("the guest's own figures, its interfaces and block devices have bounds too") {
  wire::Snapshot snapshot;
  snapshot.boottime_ns = UINT64_MAX;  // so large that a product would overflow
  snapshot.guest.cpu_usage_ns = UINT64_MAX;
  snapshot.guest.memory_total_bytes = 1;
  snapshot.interfaces = {{"eth0", 1, 2, 3, 4, 5, 6, 7, 8}};
  snapshot.containers.emplace_back().block_devices = {{7, 0, 1, 2, 3, 4}};
  CHECK_FALSE(check_values(snapshot));
  SECTION("CPU") {
    snapshot.boottime_ns = uptime_ns;
  }
  SECTION("memory") {
    snapshot.guest.memory_total_bytes = UINT64_MAX;
  }
  SECTION("a block device") {
    snapshot.containers[0].block_devices[0].reads = UINT64_MAX;
  }
  SECTION("an interface") {
    snapshot.interfaces[0].transmit_bytes = UINT64_MAX;
  }
  const auto drop = check_values(snapshot);
  REQUIRE(drop);
  CHECK(drop->reason == DropReason::out_of_range);
}
