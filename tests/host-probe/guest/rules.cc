#include "host-probe/guest/rules.h"

#include <catch2/catch.hpp>

#include "tests/support/containers.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

wire::Snapshot snapshot(std::vector<wire::Container> containers, std::uint64_t cpu_ns = 1000,
                        std::uint64_t boottime_ns = 1000) {
  wire::Snapshot made;
  made.boottime_ns = boottime_ns;
  made.containers = std::move(containers);
  made.guest.cpu_usage_ns = cpu_ns;
  made.guest.workload_cpu_usage_ns = cpu_ns / 2;
  return made;
}

constexpr SnapshotRules::Time start = std::chrono::hours(1);

/// Takes a snapshot as a run of a guest does: one that is accepted is compared with from then on.
std::optional<DropReason> verdict(SnapshotRules& rules, const wire::Snapshot& snapshot,
                                  SnapshotRules::Time now = start) {
  const auto drop = rules.check(snapshot, now);
  if (!drop) rules.compare_with(snapshot, now);
  return drop ? std::optional(drop->reason) : std::nullopt;
}

constexpr std::uint64_t uptime_ns = 1'000'000;

wire::Snapshot with(wire::Figure wire::Container::*figure, std::uint64_t value) {
  wire::Snapshot made;
  made.boottime_ns = uptime_ns;
  made.containers.emplace_back().id = id_of('a');
  made.containers[0].*figure = value;
  return made;
}

void check_max(wire::Figure wire::Container::*figure, std::uint64_t max) {
  CHECK_FALSE(check_values(with(figure, max)));
  const auto drop = check_values(with(figure, max + 1));
  REQUIRE(drop);
  CHECK(drop->reason == DropReason::out_of_range);
}

}  // namespace

TEST_CASE("counters that stand still or rise are accepted") {
  SnapshotRules rules;
  CHECK_FALSE(verdict(rules, snapshot({container('a', 100, 1)})));
  CHECK_FALSE(verdict(rules, snapshot({container('a', 100, 1)})));
  CHECK_FALSE(verdict(rules, snapshot({container('a', 101, 2), container('b', 1)}, 1001, 1001)));
}

TEST_CASE("a counter that falls is rejected") {
  SnapshotRules rules;
  REQUIRE_FALSE(verdict(rules, snapshot({container('a', 100, 3)}, 1000, 1000)));
  wire::Snapshot next = snapshot({container('a', 100, 3)}, 1000, 1000);
  SECTION("CFS periods of a container") {
    next.containers[0].cfs_periods = 5;
    REQUIRE_FALSE(verdict(rules, next));
    next.containers[0].cfs_periods = 4;
  }
  SECTION("throttled time of a container") {
    next.containers[0].cfs_throttled_ns = 5;
    REQUIRE_FALSE(verdict(rules, next));
    next.containers[0].cfs_throttled_ns = 4;
  }
  SECTION("CPU of a container") {
    next.containers[0].cpu_usage_ns = 99;
  }
  SECTION("OOM kills of a container") {
    next.containers[0].oom_kills = 2;
  }
  SECTION("CPU of the guest") {
    next.guest.cpu_usage_ns = 999;
  }
  SECTION("CPU of the workload") {
    next.guest.workload_cpu_usage_ns = 499;
  }
  SECTION("the guest's clock") {
    next.boottime_ns = 999;
  }
  CHECK(verdict(rules, next) == DropReason::counter_fell);
}

TEST_CASE("interfaces of the kernel's own names are accepted, whatever their counters do") {
  SnapshotRules rules;
  wire::Snapshot next = snapshot({});
  for (const char* name : {"eth0", "a", "eth0.100", "enp0s3", "br-3f2a@x", "fifteen_letters", "tunl0#1"}) {
    next.interfaces.push_back({name, 100, 1, 1, 1, 1, 1, 1, 1});
  }
  REQUIRE_FALSE(verdict(rules, next));
  for (wire::Interface& link : next.interfaces) link.receive_bytes = 1;
  CHECK_FALSE(verdict(rules, next));
}

TEST_CASE("an interface whose name cannot be one is rejected") {
  SnapshotRules rules;
  wire::Snapshot next = snapshot({});
  next.interfaces = {{"eth0", 1, 0, 0, 0, 0, 0, 0, 0}};
  REQUIRE_FALSE(verdict(rules, next));
  const std::string name =
      GENERATE(std::string(""), std::string("sixteen_letters_"), std::string("."), std::string(".."),
               std::string("a/b"), std::string("a:b"), std::string("a b"), std::string("a\"b"), std::string("a\\b"),
               std::string("a\nb"), std::string("\x7f"), std::string("\xc3\xa4"), std::string("a\0b", 3));
  INFO(name);
  next.interfaces.push_back({name, 1, 0, 0, 0, 0, 0, 0, 0});
  CHECK(verdict(rules, next) == DropReason::bad_interface);
}

TEST_CASE("an interface that is listed twice is rejected") {
  SnapshotRules rules;
  wire::Snapshot next = snapshot({});
  next.interfaces = {{"eth0", 1, 0, 0, 0, 0, 0, 0, 0}, {"eth0", 2, 0, 0, 0, 0, 0, 0, 0}};
  CHECK(verdict(rules, next) == DropReason::bad_interface);
}

TEST_CASE("block devices with numbers that the kernel can give are accepted, each once a container") {
  SnapshotRules rules;
  const auto with_devices = [](std::vector<wire::BlockDevice> devices) {
    wire::Container busy = container('a', 100);
    busy.block_devices = std::move(devices);
    return snapshot({busy, container('b', 1)});
  };
  CHECK_FALSE(verdict(rules, with_devices({{4095, (1u << 20) - 1, 9, 9, 9, 9}, {4095, 0, 9, 9, 9, 9}})));
  CHECK_FALSE(verdict(rules, with_devices({{4095, 0, 1, 1, 1, 1}})));  // another device has the number now
  CHECK(verdict(rules, with_devices({{4096, 0, 1, 1, 1, 1}})) == DropReason::bad_block_device);
  CHECK(verdict(rules, with_devices({{1, 1u << 20, 1, 1, 1, 1}})) == DropReason::bad_block_device);
  CHECK(verdict(rules, with_devices({{7, 1, 1, 1, 1, 1}, {7, 1, 2, 2, 2, 2}})) == DropReason::bad_block_device);
}

TEST_CASE("a guest's disks have numbers that the kernel can give, each once") {
  SnapshotRules rules;
  wire::Snapshot next = snapshot({});
  next.disks = {{.major = 4095, .minor = (1u << 20) - 1, .reads = 9}, {.major = 4095, .minor = 0, .reads = 9}};
  CHECK_FALSE(verdict(rules, next));
  next.disks[0].reads = 1;  // another device has the number now
  CHECK_FALSE(verdict(rules, next));
  SECTION("major") {
    next.disks[0].major = 4096;
  }
  SECTION("minor") {
    next.disks[0].minor = 1u << 20;
  }
  SECTION("twice") {
    next.disks[0].minor = 0;
  }
  CHECK(verdict(rules, next) == DropReason::bad_block_device);
}

TEST_CASE("volumes have mount points that can be labels, each once, or numbers of devices") {
  SnapshotRules rules;
  wire::Snapshot next = snapshot({});
  const std::string longest(wire::max_mount_point_bytes, 'a');
  next.volumes = {{"/shm", 1, UINT64_MAX, 3, UINT64_MAX}, {longest, 1, 2, 3, 4}, {"/shm", 1, 2, 3, 4, 254, 16}};
  CHECK_FALSE(verdict(rules, next));
  const std::string name = GENERATE_COPY(longest + "a", std::string("/a\"b"), std::string("/a\\b"), std::string("/a b"),
                                         std::string("/\xc3\xa4"), std::string("/shm"), std::string(""));
  INFO(name);
  next.volumes.push_back({name, 1, 2, 3, 4});
  CHECK(verdict(rules, next) == DropReason::bad_volume);
  CHECK(is_suspect(DropReason::bad_volume));
}

TEST_CASE("a volume on a device has a number that a device can have, once") {
  SnapshotRules rules;
  wire::Snapshot next = snapshot({});
  next.volumes = {{"/a", 1, 2, 3, 4, 254, 16}};
  const std::uint32_t major = GENERATE(254u, 1u << 12);
  next.volumes.push_back({"/b", 1, 2, 3, 4, major, 16});
  CHECK(verdict(rules, next) == DropReason::bad_block_device);
}

TEST_CASE("what may fall may fall") {
  SnapshotRules rules;
  wire::Container before = container('a', 100);
  before.memory_usage_bytes = 100;
  before.memory_peak_bytes = 100;
  before.memory_failcnt = 100;
  REQUIRE_FALSE(verdict(rules, snapshot({before})));
  wire::Container after = container('a', 100);
  after.memory_usage_bytes = 1;
  after.memory_peak_bytes = 1;
  after.memory_failcnt = 1;
  CHECK_FALSE(verdict(rules, snapshot({after})));
}

TEST_CASE("a rejected snapshot is not compared with, unless the caller says so") {
  SnapshotRules rules;
  REQUIRE_FALSE(verdict(rules, snapshot({container('a', 100), container('b', 100)})));
  const wire::Snapshot restored = snapshot({container('a', 50), container('b', 1)}, 500, 500);
  REQUIRE(verdict(rules, restored) == DropReason::counter_fell);
  CHECK(verdict(rules, snapshot({container('a', 51), container('b', 2)}, 501, 501)) == DropReason::counter_fell);
  rules.compare_with(restored, start);
  CHECK_FALSE(verdict(rules, snapshot({container('a', 51), container('b', 2)}, 501, 501)));
}

TEST_CASE("of a snapshot that steps and breaks another rule, the other rule is reported") {
  SnapshotRules rules;
  REQUIRE_FALSE(verdict(rules, snapshot({container('a', 100)})));
  wire::Snapshot next = snapshot({container('a', 1), container('b', 1), container('b', 1)}, 1, 1);
  CHECK(verdict(rules, next) == DropReason::duplicate_container);
}

TEST_CASE("the last values of a removed container may not fall either") {
  SnapshotRules rules;
  REQUIRE_FALSE(verdict(rules, snapshot({container('a', 100)})));
  CHECK(verdict(rules, snapshot({container('a', 99, 0, true)})) == DropReason::counter_fell);
  CHECK_FALSE(verdict(rules, snapshot({container('a', 100, 0, true)})));
}

TEST_CASE("a cgroup made again under the id of a removed one begins at 0") {
  SnapshotRules rules;
  REQUIRE_FALSE(verdict(rules, snapshot({container('a', 100, 1)})));
  CHECK_FALSE(verdict(rules, snapshot({container('a', 120, 1, true), container('a', 3)})));
  CHECK_FALSE(verdict(rules, snapshot({container('a', 4)})));
  CHECK(verdict(rules, snapshot({container('a', 3)})) == DropReason::counter_fell);
}

TEST_CASE("a living container listed twice is rejected") {
  SnapshotRules rules;
  CHECK(verdict(rules, snapshot({container('a', 1), container('a', 2)})) == DropReason::duplicate_container);
}

TEST_CASE("a guest whose clock goes faster than the host's is rejected") {
  SnapshotRules rules;
  REQUIRE_FALSE(verdict(rules, snapshot({}, 1000, 500 * second_ns)));
  const auto later = start + std::chrono::seconds(10);
  const auto slack = std::chrono::nanoseconds(SnapshotRules::clock_slack).count();
  const std::uint64_t latest_ns = 510 * second_ns + static_cast<std::uint64_t>(slack);
  CHECK(verdict(rules, snapshot({}, 1000, latest_ns + 1), later) == DropReason::from_future);
  CHECK(verdict(rules, snapshot({}, 1000, UINT64_MAX), later) == DropReason::from_future);
  CHECK_FALSE(verdict(rules, snapshot({}, 1000, latest_ns), later));
}

TEST_CASE("a container has no more CPU time than its guest's CPUs can have had") {
  check_max(&wire::Container::cpu_usage_ns, 4096 * uptime_ns);
  check_max(&wire::Container::cpu_user_ns, 4096 * uptime_ns);
}

TEST_CASE("nor has it waited for more than all tasks together") {
  check_max(&wire::Container::memory_stall_ns, 4194304 * uptime_ns);
  check_max(&wire::Container::cfs_throttled_ns, 4194304 * uptime_ns);
}

TEST_CASE("memory and counters are numbers that a series can show") {
  check_max(&wire::Container::memory_usage_bytes, std::uint64_t{1} << 53);
  check_max(&wire::Container::oom_kills, std::uint64_t{1} << 53);
}

TEST_CASE("a guest has no more memory than its VMM has mapped, and its containers together no more than the guest") {
  constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;
  wire::Guest guest;
  std::vector<wire::Container> containers(4);
  const auto claim = [&](std::uint64_t mapped_bytes) {
    const auto drop = check_memory(guest, containers, mapped_bytes);
    return drop ? std::optional(drop->reason) : std::nullopt;
  };
  for (wire::Container& one : containers) one.memory_usage_bytes = gibibyte / 2;
  CHECK_FALSE(claim(gibibyte));  // the guest does not report its total
  guest.memory_total_bytes = 2 * gibibyte;
  CHECK_FALSE(claim(2 * gibibyte));
  CHECK_FALSE(claim(0));  // not known
  CHECK(claim(gibibyte) == DropReason::memory_claim);
  CHECK(is_suspect(DropReason::memory_claim));

  containers[0].memory_peak_bytes = containers[0].memory_swap_bytes = 100 * gibibyte;
  containers[0].memory_limit_bytes = UINT64_MAX;
  CHECK_FALSE(claim(2 * gibibyte));
  SECTION("one value of one container") {
    containers[0].memory_rss_bytes = 3 * gibibyte;
  }
  SECTION("all of them together") {
    for (wire::Container& one : containers) one.memory_usage_bytes = gibibyte;
  }
  SECTION("those without series of their own") {
    guest.unattributed_memory_usage_bytes = 3 * gibibyte;
  }
  CHECK(claim(2 * gibibyte) == DropReason::memory_claim);
  for (wire::Container& one : containers) one.removed = true;
  guest.unattributed_memory_usage_bytes.reset();
  CHECK_FALSE(claim(2 * gibibyte));
}

TEST_CASE("a limit may be anything") {
  CHECK_FALSE(check_values(with(&wire::Container::memory_limit_bytes, UINT64_MAX)));
  CHECK_FALSE(check_values(with(&wire::Container::threads_max, UINT64_MAX)));
}

TEST_CASE("the guest's own values, its interfaces and block devices have bounds too") {
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
  SECTION("what guest-probe could not report") {
    snapshot.guest.oom_events_lost = (std::uint64_t{1} << 53) + 1;
  }
  SECTION("a block device") {
    snapshot.containers[0].block_devices[0].reads = UINT64_MAX;
  }
  SECTION("a volume") {
    snapshot.volumes = {{"/cache", UINT64_MAX, 1, 1, 1}};
  }
  SECTION("a disk") {
    snapshot.disks = {{.major = 7, .flushes = UINT64_MAX}};
  }
  SECTION("an interface") {
    snapshot.interfaces[0].transmit_bytes = UINT64_MAX;
  }
  const auto drop = check_values(snapshot);
  REQUIRE(drop);
  CHECK(drop->reason == DropReason::out_of_range);
}
