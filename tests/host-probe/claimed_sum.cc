#include "host-probe/trust/claimed_sum.h"

#include <catch2/catch.hpp>

#include "host-probe/trust/cpu_claim.h"

using namespace katameter;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t second = 1'000'000'000;

ContainerId id_of(std::size_t number) {
  ContainerId id;
  id.bytes[0] = static_cast<std::uint8_t>(number >> 8);
  id.bytes[1] = static_cast<std::uint8_t>(number);
  return id;
}

/// A guest and the vCPUs that it runs on. It had run for a day, with 90,000 s used, before it was looked at.
struct Machine {
  wire::Guest guest;
  std::vector<wire::Container> containers;
  std::uint64_t given_ns = 7 * second;
  std::uint64_t boot = 1;
  ClaimedSum sum;
  CpuClaim claim{2, 500ms};
  CpuClaim largest{2, 500ms};

  explicit Machine(std::size_t number) {
    guest.cpu_usage_ns = 90'000 * second;
    guest.workload_cpu_usage_ns = 80'000 * second;
    for (std::size_t i = 0; i < number; ++i) add(i, 80'000 * second / number);
  }
  wire::Container& add(std::size_t number, std::uint64_t used_ns) {
    wire::Container& container = containers.emplace_back();
    container.id = id_of(number);
    container.cpu_usage_ns = used_ns;
    return container;
  }
  /// So much is really used by each container and by the system, and had by the vCPUs.
  void run(std::uint64_t each_ns, std::uint64_t system_ns) {
    for (wire::Container& container : containers) *container.cpu_usage_ns += each_ns;
    const std::uint64_t workload_ns = each_ns * containers.size();
    *guest.workload_cpu_usage_ns += workload_ns;
    *guest.cpu_usage_ns += workload_ns + system_ns;
    given_ns += workload_ns + system_ns;
  }
  bool believed_one_by_one() { return !largest.check(boot, *claimed_cpu_ns(guest, containers), given_ns); }
  bool believed() { return !claim.check(boot, sum.add(boot, guest, containers), given_ns); }
};

}  // namespace

TEST_CASE("an honest guest's containers and system together used what its vCPUs had") {
  Machine machine(40);
  for (int minute = 0; minute < 600; ++minute) {
    CHECK(machine.believed());
    machine.run(second, 5 * second);
  }
  CHECK(machine.sum.add(1, machine.guest, machine.containers) == 600 * 45 * second);
}

TEST_CASE("containers that come and go do not add up to more than there was") {
  Machine machine(3);
  CHECK(machine.believed());
  for (std::size_t round = 0; round < 500; ++round) {
    machine.add(100 + round, 0);
    machine.run(second, second);
    // The one that goes is told once more, with its last figure, as guest-probe does.
    CHECK(machine.believed());
    machine.containers.erase(machine.containers.begin() + static_cast<std::ptrdiff_t>(round % 4));
    machine.run(second, second);
    CHECK(machine.believed());
  }
}

TEST_CASE("a row that is missing for a moment is not counted again when it is back") {
  Machine machine(2);
  CHECK(machine.believed());
  const wire::Container missed = machine.containers.back();
  machine.containers.pop_back();
  CHECK(machine.believed());
  machine.containers.push_back(missed);
  CHECK(machine.believed());
}

TEST_CASE("what was used before there was a figure for it is not taken for used since") {
  SECTION("a container gets its row when another one leaves") {
    Machine machine(2);
    machine.guest.unattributed_containers = 1;
    CHECK(machine.believed());
    machine.containers.erase(machine.containers.begin());
    machine.guest.unattributed_containers = 0;
    machine.add(7, 30'000 * second);
    CHECK(machine.believed());
    // From then on it counts as any other.
    machine.run(second, second);
    CHECK(machine.believed());
    *machine.containers.back().cpu_usage_ns += 1000 * second;
    CHECK_FALSE(machine.believed());
  }
  SECTION("a guest-probe that tells more takes the place of another") {
    Machine machine(2);
    const auto workload = std::exchange(machine.guest.workload_cpu_usage_ns, std::nullopt);
    const auto used = std::exchange(machine.containers[0].cpu_usage_ns, std::nullopt);
    CHECK(machine.believed());
    machine.guest.workload_cpu_usage_ns = workload;
    machine.containers[0].cpu_usage_ns = used;
    CHECK(machine.believed());
  }
  SECTION("the guest has booted again") {
    Machine machine(2);
    CHECK(machine.believed());
    machine.boot = 2;
    machine.add(7, 30'000 * second);
    *machine.guest.cpu_usage_ns += 30'000 * second;
    CHECK(machine.believed());
  }
}

TEST_CASE("a lie that is spread over many containers is seen in their sum") {
  Machine machine(40);
  CHECK(machine.believed_one_by_one());
  CHECK(machine.believed());
  machine.run(second, second);
  CHECK(machine.believed());
  // No container claims more than the vCPUs had, and the guest as a whole nothing.
  for (wire::Container& container : machine.containers) *container.cpu_usage_ns += 20 * second;
  CHECK(machine.believed_one_by_one());
  CHECK_FALSE(machine.believed());
  // And it stays a lie.
  machine.run(second, second);
  CHECK_FALSE(machine.believed());
}

TEST_CASE("a lie that is spread over containers that come and go is seen in their sum") {
  Machine machine(1);
  CHECK(machine.believed());
  bool believed = true;
  for (std::size_t round = 0; round < 10; ++round) {
    machine.run(second, 0);
    machine.containers.pop_back();
    machine.add(100 + round, 10 * second);
    believed = believed && machine.believed();
  }
  CHECK_FALSE(believed);
}

TEST_CASE("a guest that calls the same time its system's and its containers' is not believed") {
  Machine machine(4);
  CHECK(machine.believed());
  for (wire::Container& container : machine.containers) *container.cpu_usage_ns += 25 * second;
  machine.given_ns += 100 * second;
  *machine.guest.cpu_usage_ns += 100 * second;  // and no more workload than before
  CHECK_FALSE(machine.believed());
}
