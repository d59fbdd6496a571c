#include "host-probe/guest/cpu_plausibility.h"
#include "tests/support/units.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace katameter::host;
using namespace std::chrono_literals;

namespace {

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
  std::uint64_t given_ns = 7 * second_ns;
  ReportedCpuSum sum;
  CpuPlausibility plausibility{2, 500ms};

  explicit Machine(std::size_t number) {
    guest.cpu_usage_ns = 90'000 * second_ns;
    guest.workload_cpu_usage_ns = 80'000 * second_ns;
    for (std::size_t i = 0; i < number; ++i) add(i, 80'000 * second_ns / number);
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
  std::optional<Drop> check() {
    plausibility.set_given(given_ns);
    return plausibility.check(guest, containers);
  }
  bool believed() { return !check(); }
  void reconnect() { plausibility = CpuPlausibility(2, 500ms); }
};

/// One value, as the guest's whole.
std::optional<Drop> check(CpuPlausibility& plausibility, std::uint64_t reported, std::uint64_t given) {
  wire::Guest guest;
  guest.cpu_usage_ns = reported;
  plausibility.set_given(given);
  return plausibility.check(guest, {});
}

}  // namespace

TEST_CASE("an honest guest's containers and system together used what its vCPUs had") {
  Machine machine(40);
  for (int minute = 0; minute < 600; ++minute) {
    CHECK(machine.believed());
    machine.sum.add(machine.guest, machine.containers);
    machine.run(second_ns, 5 * second_ns);
  }
  CHECK(machine.sum.add(machine.guest, machine.containers) == 600 * 45 * second_ns);
}

TEST_CASE("containers that come and go do not add up to more than there was") {
  Machine machine(3);
  CHECK(machine.believed());
  for (std::size_t round = 0; round < 500; ++round) {
    machine.add(100 + round, 0);
    machine.run(second_ns, second_ns);
    // The one that goes is reported once more, with its last value, as guest-probe does.
    CHECK(machine.believed());
    machine.containers.erase(machine.containers.begin() + static_cast<std::ptrdiff_t>(round % 4));
    machine.run(second_ns, second_ns);
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

TEST_CASE("what was used before there was a value for it is not taken for used since") {
  SECTION("a container gets its row when another one leaves") {
    Machine machine(2);
    machine.guest.unattributed_containers = 1;
    CHECK(machine.believed());
    machine.containers.erase(machine.containers.begin());
    machine.guest.unattributed_containers = 0;
    machine.add(7, 30'000 * second_ns);
    CHECK(machine.believed());
    // From then on it counts as any other.
    machine.run(second_ns, second_ns);
    CHECK(machine.believed());
    *machine.containers.back().cpu_usage_ns += 1000 * second_ns;
    CHECK_FALSE(machine.believed());
  }
  SECTION("a guest-probe that reports more takes the place of another") {
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
    machine.reconnect();
    machine.add(7, 30'000 * second_ns);
    *machine.guest.cpu_usage_ns += 30'000 * second_ns;
    CHECK(machine.believed());
  }
}

TEST_CASE("CPU time falsely reported of many containers is seen in their sum") {
  Machine machine(40);
  CHECK(machine.believed());
  machine.run(second_ns, second_ns);
  CHECK(machine.believed());
  // No container has more than the vCPUs had, and the guest as a whole nothing.
  for (wire::Container& container : machine.containers) *container.cpu_usage_ns += 20 * second_ns;
  const auto drop = machine.check();
  REQUIRE(drop);
  CHECK_THAT(drop->text, Catch::Contains("its containers and its system together"));
  // And it stays false.
  machine.run(second_ns, second_ns);
  CHECK_FALSE(machine.believed());
}

TEST_CASE("CPU time falsely reported of containers that come and go is seen in their sum") {
  Machine machine(1);
  CHECK(machine.believed());
  bool believed = true;
  for (std::size_t round = 0; round < 10; ++round) {
    machine.run(second_ns, 0);
    machine.containers.pop_back();
    machine.add(100 + round, 10 * second_ns);
    believed = believed && machine.believed();
  }
  CHECK_FALSE(believed);
}

TEST_CASE("a guest that calls the same time its system's and its containers' is not believed") {
  Machine machine(4);
  CHECK(machine.believed());
  for (wire::Container& container : machine.containers) *container.cpu_usage_ns += 25 * second_ns;
  machine.given_ns += 100 * second_ns;
  *machine.guest.cpu_usage_ns += 100 * second_ns;  // and no more workload than before
  CHECK_FALSE(machine.believed());
}

TEST_CASE("a guest may have used what its vCPUs got or waited for, however busy the host is") {
  CpuPlausibility plausibility(2, 500ms);
  // It has run for long before us, and its first values are half a second older than the host's.
  for (std::uint64_t passed = 0; passed < 3600; passed += 15) {
    INFO(passed);
    const std::uint64_t lag = passed == 0 ? second_ns : 0;  // two vCPUs, both busy
    CHECK_FALSE(check(plausibility, (90'000 + 2 * passed) * second_ns - lag, (7 + 2 * passed) * second_ns));
  }
  // A clock that is a little fast.
  CHECK_FALSE(check(plausibility, (90'000 + 7'400) * second_ns, (7 + 7'200) * second_ns));
}

TEST_CASE("a guest that reports more CPU time than its vCPUs got or waited for is rejected until they have") {
  CpuPlausibility plausibility(2, 500ms);
  CHECK_FALSE(check(plausibility, 5 * second_ns, 5 * second_ns));
  const auto drop = check(plausibility, 20 * second_ns, 10 * second_ns);
  REQUIRE(drop);
  CHECK(drop->reason == DropReason::cpu_claim);
  CHECK(check(plausibility, 21 * second_ns, 11 * second_ns));
  CHECK_FALSE(check(plausibility, 21 * second_ns, 21 * second_ns));
}

TEST_CASE("when less is known of the processes than before, the comparison begins again") {
  CpuPlausibility plausibility(1, 500ms);
  CHECK_FALSE(check(plausibility, 5 * second_ns, 5 * second_ns));
  CHECK(check(plausibility, 60 * second_ns, 7 * second_ns));
  CHECK_FALSE(check(plausibility, 60 * second_ns, 1 * second_ns));
}

TEST_CASE("an answer that is one collection late is compared with what was given since that collection") {
  CpuPlausibility plausibility(1, 500ms);
  plausibility.set_given(100 * second_ns);  // asked; the answer comes after the report
  for (std::uint64_t step = 1; step < 20; ++step) {
    // 30 s a step, all of them used; the answer is that of the step before.
    CHECK_FALSE(check(plausibility, (5 + 30 * (step - 1)) * second_ns, (100 + 30 * step) * second_ns));
  }
  // Then it answers in time.
  CHECK_FALSE(check(plausibility, (5 + 30 * 20) * second_ns, (100 + 30 * 20) * second_ns));
  CHECK(check(plausibility, (5 + 40 * 20) * second_ns, (100 + 30 * 20) * second_ns));
}

TEST_CASE("a guest that is restored to an earlier state is compared with that state") {
  Machine machine(4);
  CHECK(machine.believed());
  const auto saved_guest = machine.guest;
  const auto saved_containers = machine.containers;
  machine.run(100 * second_ns, 10 * second_ns);
  CHECK(machine.believed());
  machine.guest = saved_guest;
  machine.containers = saved_containers;
  machine.plausibility.rebase(machine.guest, machine.containers);
  for (int step = 0; step < 10; ++step) {
    machine.run(10 * second_ns, second_ns);
    CHECK(machine.believed());
  }
  SECTION("one container has more than the vCPUs were given since") {
    *machine.containers[0].cpu_usage_ns += 1000 * second_ns;
  }
  SECTION("all together have") {
    for (wire::Container& container : machine.containers) *container.cpu_usage_ns += 200 * second_ns;
  }
  CHECK_FALSE(machine.believed());
}

TEST_CASE("the highest reported CPU time is found in whichever value") {
  wire::Guest guest;
  std::vector<wire::Container> containers(2);
  CHECK_FALSE(highest_reported_cpu_ns(guest, containers));
  containers[1].cpu_usage_ns = 7;
  CHECK(highest_reported_cpu_ns(guest, containers) == 7u);
  guest.cpu_usage_ns = 9;
  CHECK(highest_reported_cpu_ns(guest, containers) == 9u);
  guest.workload_cpu_usage_ns = 10;
  CHECK(highest_reported_cpu_ns(guest, containers) == 10u);
  guest.unattributed_cpu_usage_ns = 11;
  CHECK(highest_reported_cpu_ns(guest, containers) == 11u);
}
