#include "host-probe/accounting/sandbox_accounting.h"

#include <catch2/catch.hpp>

#include "tests/support/containers.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::id_of;

namespace {

wire::Container container(char digit, std::uint64_t cpu_ns) {
  wire::Container made;
  made.id = id_of(digit);
  made.cpu_usage_ns = cpu_ns;
  made.memory_usage_bytes = 10 * mebibyte;
  return made;
}

struct Sandbox {
  Sandbox() { host.cpu = {{Role::vcpu, {}}, {Role::vmm, {}}}; }
  /// The guest ran its containers, and the host its vCPUs for `ran` ns of `ran` + `wait`.
  void run(std::uint64_t workload, std::uint64_t system, std::uint64_t ran, std::uint64_t wait) {
    cpu.cpu_ns += workload + system;
    cpu.workload_ns += workload;
    host.cpu[Role::vcpu].cpu_ns += ran;
    host.cpu[Role::vcpu].run_delay_ns += wait;
  }
  std::uint64_t share(char digit) { return *at(account.container_costs.at(id_of(digit)), SharedCost::workload_cpu); }
  std::uint64_t of(CpuComponent component) const { return account.cpu_ns[static_cast<std::size_t>(component)]; }
  void update(bool late = false) {
    account = accounting.update(host, GuestReading{late, cpu, std::nullopt, &containers});
  }
  void update_without_guest() { account = accounting.update(host, std::nullopt); }

  SandboxProcesses host;
  GuestCpuReading cpu{1, 0, 0};
  std::vector<wire::Container> containers;
  SandboxAccounting accounting;
  Account account;
};

}  // namespace

TEST_CASE("what was held back for a guest is guest_silent when its sandbox has ended, and all is taken once") {
  Sandbox sandbox;
  sandbox.update();
  sandbox.run(0, 0, 100 * ms, 0);
  sandbox.update_without_guest();
  CHECK(sandbox.account.cpu_total_ns == 0);
  sandbox.run(0, 0, 50 * ms, 0);
  sandbox.host.cpu[Role::vmm].cpu_ns += 7 * ms;
  sandbox.accounting.update_ended(sandbox.host);
  const CpuByComponent gained = sandbox.accounting.take_gained_cpu();
  CHECK(gained[static_cast<std::size_t>(CpuComponent::guest_silent)] == 150 * ms);
  CHECK(gained[static_cast<std::size_t>(CpuComponent::vmm)] == 7 * ms);
  CHECK(sandbox.accounting.take_gained_cpu() == CpuByComponent{});
}

TEST_CASE("containers have their share of the host's time, without the wait") {
  Sandbox sandbox;
  sandbox.containers = {container('1', 0), container('2', 0)};
  sandbox.run(0, 0, 0, 0);
  sandbox.update();
  sandbox.containers = {container('1', 300 * ms), container('2', 100 * ms)};
  sandbox.run(400 * ms, 0, 200 * ms, 200 * ms);
  sandbox.update();
  CHECK(sandbox.share('1') == 150 * ms);
  CHECK(sandbox.share('2') == 50 * ms);
  CHECK(sandbox.of(CpuComponent::workload) == 200 * ms);
  CHECK(sandbox.account.steal_ns == 200 * ms);

  // One is gone, one is new, one was made again under its id.
  sandbox.containers = {container('1', 20 * ms), container('3', 80 * ms)};
  sandbox.run(100 * ms, 0, 100 * ms, 0);
  sandbox.update();
  CHECK(sandbox.share('1') == 170 * ms);
  CHECK(sandbox.share('3') == 80 * ms);
  CHECK(sandbox.account.container_costs.size() == 2);
}

TEST_CASE("shares that change with every step never make a container's time fall, nor all exceed the workload") {
  Sandbox sandbox;
  std::uint64_t one = 0;
  std::uint64_t two = 0;
  std::uint64_t last_one = 0;
  std::uint64_t last_two = 0;
  for (std::uint64_t step = 0; step < 500; ++step) {
    const std::uint64_t to_one = step % 2 == 0 ? 100 * ms : 0;
    one += to_one;
    two += 100 * ms - to_one;
    // Read a moment later than their sum.
    sandbox.containers = {container('1', one + 3 * ms), container('2', two + 3 * ms)};
    sandbox.run(100 * ms, step % 7 * ms, (step % 5) * 30 * ms, (step % 3) * 50 * ms);
    if (step % 11 == 10) {
      sandbox.update_without_guest();
      CHECK(sandbox.account.container_costs.empty());
      continue;
    }
    sandbox.update();
    CHECK(sandbox.share('1') >= last_one);
    CHECK(sandbox.share('2') >= last_two);
    last_one = sandbox.share('1');
    last_two = sandbox.share('2');
    CHECK(last_one + last_two <= sandbox.of(CpuComponent::workload));
  }
  CHECK(last_one > 0);
  CHECK(last_two > 0);
}

TEST_CASE("an answer to an earlier collection is not divided by this one's vCPU time") {
  Sandbox sandbox;
  sandbox.containers = {container('1', 10 * ms)};
  sandbox.run(10 * ms, 0, 10 * ms, 0);
  sandbox.update();
  CHECK(sandbox.account.divided);
  sandbox.run(0, 0, 10 * ms, 0);
  sandbox.update(true);
  CHECK_FALSE(sandbox.account.divided);
  CHECK(sandbox.of(CpuComponent::guest_silent) == 10 * ms);
  CHECK(sandbox.of(CpuComponent::workload) == 10 * ms);
  CHECK(sandbox.share('1') == 10 * ms);  // it is still reported
  CHECK_FALSE(sandbox.account.memory.by_use);
}

TEST_CASE("another run of the guest lets no component fall, nor takes its counters for time that was used") {
  Sandbox sandbox;
  sandbox.containers = {container('1', 100 * ms)};
  sandbox.run(100 * ms, 20 * ms, 120 * ms, 0);
  sandbox.update();
  const Account before = sandbox.account;
  const GuestCpuReading next = GENERATE(GuestCpuReading{2, 7 * ms, 5 * ms}, GuestCpuReading{2, 9000 * ms, 8000 * ms});
  sandbox.cpu = next;
  sandbox.host.cpu[Role::vcpu].cpu_ns += 30 * ms;
  sandbox.update();
  CHECK(sandbox.of(CpuComponent::workload) == before.cpu_ns[static_cast<std::size_t>(CpuComponent::workload)]);
  CHECK(sandbox.of(CpuComponent::guest_silent) ==
        before.cpu_ns[static_cast<std::size_t>(CpuComponent::guest_silent)] + 30 * ms);
  CHECK(sandbox.account.cpu_total_ns == before.cpu_total_ns + 30 * ms);
  CHECK(sandbox.account.container_costs == before.container_costs);
}

TEST_CASE("a silent guest leaves the host's total alone") {
  Sandbox sandbox;
  sandbox.host.memory.guest_ram_bytes = 7 * mebibyte;
  sandbox.update_without_guest();
  CHECK(sandbox.account.memory.host_total() == 7 * mebibyte);
  CHECK_FALSE(sandbox.account.memory.by_use);
  CHECK_FALSE(sandbox.account.memory.overhead);
  CHECK_FALSE(sandbox.account.memory.reclaimable);
  CHECK_FALSE(sandbox.account.guest_known);
}
