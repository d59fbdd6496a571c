#include "host-probe/accounting/cpu.h"
#include "tests/support/units.h"

#include <catch2/catch.hpp>
#include <random>

using namespace katameter;
using namespace katameter::host;

namespace {

/// A sandbox whose counters are moved on by hand.
struct CpuWorld {
  SandboxProcesses host;
  GuestCpuReading guest{1, 0, 0};
  CpuAccount account;
  std::array<std::uint64_t, cpu_components> last{};
  std::uint64_t host_last = 0;

  CpuWorld() {
    host.cpu = {{Role::vcpu, {}}, {Role::vmm, {}}, {Role::virtiofsd, {}}, {Role::shim, {}}, {Role::vhost, {}}};
  }

  std::uint64_t host_ns() const {
    std::uint64_t sum = 0;
    for (const auto& [role, cpu] : host.cpu) sum += cpu.cpu_ns;
    return sum;
  }
  RoleCpu& vcpu() { return host.cpu[Role::vcpu]; }
  void run_guest(std::uint64_t workload, std::uint64_t system) {
    guest.cpu_ns += workload + system;
    guest.workload_ns += workload;
  }
  /// One collection; what must hold in each is checked.
  void collect(bool answers = true) {
    account.update(host, answers ? std::optional(guest) : std::nullopt);
    const std::uint64_t total = account.total_ns() + account.held_ns();
    CHECK(total - host_last == host_ns() - host_before_);
    host_last = total;
    host_before_ = host_ns();
    for (std::size_t i = 0; i < cpu_components; ++i) {
      const std::uint64_t now = account.of(static_cast<CpuComponent>(i));
      CHECK(now >= last[i]);
      last[i] = now;
    }
  }
  std::uint64_t of(CpuComponent component) const { return account.of(component); }
  void begin() {
    account.begin(host);
    host_before_ = host_ns();
  }

 private:
  std::uint64_t host_before_ = 0;
};

wire::Guest owners(std::uint64_t kernel, std::uint64_t agent, std::uint64_t probe) {
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

TEST_CASE("on a host with time to spare the guest's own counters are the host's") {
  CpuWorld world;
  world.collect();
  world.vcpu().cpu_ns += 1000 * ms;
  world.host.cpu[Role::vmm].cpu_ns += 20 * ms;
  world.host.cpu[Role::virtiofsd].cpu_ns += 30 * ms;
  world.host.cpu[Role::shim].cpu_ns += 4 * ms;
  world.host.cpu[Role::vhost].cpu_ns += 5 * ms;
  world.run_guest(900 * ms, 90 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 900 * ms);
  CHECK(world.of(CpuComponent::guest_system) == 90 * ms);
  CHECK(world.of(CpuComponent::vcpu_exits) == 10 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  CHECK(world.of(CpuComponent::vmm) == 20 * ms);
  CHECK(world.of(CpuComponent::virtiofsd) == 30 * ms);
  CHECK(world.of(CpuComponent::shim) == 4 * ms);
  CHECK(world.of(CpuComponent::vhost) == 5 * ms);
  CHECK(world.of(CpuComponent::guest_silent) == 0);
  CHECK(world.account.total_ns() == 1059 * ms);
  CHECK(world.account.overhead_ns() == 159 * ms);
  CHECK(world.account.steal_ns() == 0);
}

TEST_CASE("what a guest counts while its vCPUs wait is steal, not the host's time") {
  CpuWorld world;
  world.collect();
  // The phase "2 busy loops" of a host whose CPUs others want as well.
  world.vcpu() = {4830 * ms, 4524 * ms};
  world.run_guest(9388 * ms, 70 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) > 4760 * ms);
  CHECK(world.of(CpuComponent::workload) + world.of(CpuComponent::guest_system) == 4830 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  CHECK(world.account.steal_ns() == 4524 * ms);  // the guest's 9458 are 104 more than the vCPUs ran and waited
}

TEST_CASE("a guest is charged with no more than its vCPUs had, and cannot save up for later") {
  CpuWorld world;
  world.collect();
  world.vcpu() = {10 * ms, 5 * ms};
  world.run_guest(3'600'000 * ms, 0);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 10 * ms);
  CHECK(world.account.steal_ns() == 5 * ms);
  world.vcpu().cpu_ns += 5000 * ms;
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 10 * ms + CpuAccount::max_carried_ns);
  CHECK(world.of(CpuComponent::vcpu_exits) == 5000 * ms - CpuAccount::max_carried_ns);
}

TEST_CASE("host and guest read at different moments do not add up to exits") {
  CpuWorld world;
  world.collect();
  for (int step = 0; step < 1000; ++step) {
    // The host's counters are read early and late by turns.
    world.vcpu().cpu_ns += (step % 2 == 0 ? 1400 : 600) * ms;
    world.run_guest(990 * ms, 10 * ms);
    world.collect();
  }
  CHECK(world.of(CpuComponent::vcpu_exits) <= 400 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  CHECK(world.account.total_ns() == 1'000'000 * ms);
}

TEST_CASE("what the vCPUs' waiting hides is the residual, and no more than that") {
  CpuWorld world;
  world.collect();
  // Half of the guest's 60 ms may be waiting, or all of the waiting may have been while it was idle.
  world.vcpu() = {60 * ms, 60 * ms};
  world.run_guest(60 * ms, 0);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 30 * ms);
  CHECK(world.of(CpuComponent::residual) == 30 * ms);
  CHECK(world.of(CpuComponent::vcpu_exits) == 0);
  CHECK(world.account.steal_ns() == 30 * ms);
  // 40 of the vCPUs' 100 ms are surely not the guest's.
  world.vcpu().cpu_ns += 100 * ms;
  world.vcpu().run_delay_ns += 20 * ms;
  world.run_guest(60 * ms, 0);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 80 * ms);
  CHECK(world.of(CpuComponent::vcpu_exits) == 40 * ms);
  CHECK(world.of(CpuComponent::residual) == 40 * ms);
}

TEST_CASE("with KVM the time in guest mode leaves nothing open on a full node") {
  CpuWorld world;
  world.collect();
  // Busy for 60 of the 100 ms that it ran, all of it in guest mode; nearly all of the wait fell into its idle periods.
  world.vcpu() = {62 * ms, 60 * ms};
  world.host.usage[Role::vmm].guest_ns = 60 * ms;
  world.run_guest(50 * ms, 11 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) + world.of(CpuComponent::guest_system) == 60 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  CHECK(world.of(CpuComponent::vcpu_exits) == 2 * ms);
  CHECK(world.account.steal_ns() <= ms);
  // A guest that is busy throughout: its wait is steal.
  world.vcpu() = {162 * ms, 160 * ms};
  world.host.usage[Role::vmm].guest_ns = 159 * ms;
  world.run_guest(200 * ms, 0);
  world.collect();
  CHECK(world.of(CpuComponent::workload) + world.of(CpuComponent::guest_system) == 160 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  CHECK(world.account.steal_ns() >= 99 * ms);
}

TEST_CASE("exits while something runs are the guest's on a full node, too") {
  CpuWorld world;
  world.collect();
  // Alone on its CPU, with an exit for each twentieth of its time.
  world.vcpu() = {2120 * ms, 3 * ms};
  world.host.usage[Role::vmm].guest_ns = 2010 * ms;
  world.run_guest(2000 * ms, 120 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::residual) == 0);
  const CpuByComponent before = world.account.components();
  // Recorded on a node of one CPU, which another guest and a process wanted as well: busy and asleep by turns.
  world.vcpu().cpu_ns += 5056 * ms;
  world.vcpu().run_delay_ns += 4020 * ms;
  world.host.usage[Role::vmm].guest_ns += 4780 * ms;
  world.run_guest(8568 * ms, 328 * ms);
  world.collect();
  const auto grown = [&](CpuComponent component) {
    return world.of(component) - before[static_cast<std::size_t>(component)];
  };
  // It counted 187 ms less than its vCPU ran and waited: no more can be of exits while it was idle.
  CHECK(grown(CpuComponent::vcpu_exits) < 5056 * ms / 50);
  CHECK(grown(CpuComponent::workload) + grown(CpuComponent::guest_system) > 5030 * ms);
  // By ticks all of it was in guest mode: what the guest counts beyond what its vCPU ran is steal all the same.
  const std::uint64_t steal_ns = world.account.steal_ns();
  world.vcpu().cpu_ns += 5000 * ms;
  world.vcpu().run_delay_ns += 5000 * ms;
  world.host.usage[Role::vmm].guest_ns += 5040 * ms;
  world.run_guest(10'000 * ms, 0);
  world.collect();
  CHECK(world.account.steal_ns() - steal_ns >= 4999 * ms);
}

TEST_CASE("a guest that takes the steal out itself is not scaled once more") {
  CpuWorld world;
  world.collect();
  world.vcpu() = {100 * ms, 100 * ms};
  world.host.usage[Role::vmm].guest_ns = 99 * ms;
  world.run_guest(90 * ms, 9 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 90 * ms);
  CHECK(world.of(CpuComponent::guest_system) == 9 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  CHECK(world.account.steal_ns() == 0);
}

TEST_CASE("what a guest used while guest-probe was away for a moment is known when it is back") {
  CpuWorld world;
  world.collect();
  world.vcpu().cpu_ns += 100 * ms;
  world.run_guest(100 * ms, 0);
  world.collect();
  for (int step = 0; step < CpuAccount::max_held_steps; ++step) {
    world.vcpu() = {world.vcpu().cpu_ns + 200 * ms, 0};
    world.run_guest(150 * ms, 50 * ms);
    world.collect(false);
    CHECK(world.account.total_ns() == 100 * ms);
  }
  SECTION("in the same boot, whether guest-probe was started again or not") {
    world.vcpu().cpu_ns += 10 * ms;
    world.run_guest(10 * ms, 0);
    world.collect();
    CHECK(world.of(CpuComponent::guest_silent) == 0);
    CHECK(world.of(CpuComponent::workload) == 410 * ms);
    CHECK(world.of(CpuComponent::guest_system) == 100 * ms);
    CHECK(world.account.workload_step_ns() == 310 * ms);
    CHECK(world.account.divided());
  }
  SECTION("not in another run") {
    ++world.guest.run;
    world.collect();
    CHECK(world.of(CpuComponent::guest_silent) == 400 * ms);
    CHECK_FALSE(world.account.divided());
  }
  SECTION("not where the counters began anew") {
    world.guest.workload_ns = 50 * ms;
    world.collect();
    CHECK(world.of(CpuComponent::guest_silent) == 400 * ms);
  }
  CHECK(world.account.held_ns() == 0);
}

TEST_CASE("while the guest is silent its vCPUs' time is guest_silent, and is not charged later") {
  CpuWorld world;
  world.collect();
  world.vcpu().cpu_ns += 100 * ms;
  world.run_guest(100 * ms, 0);
  world.collect();
  for (int step = 0; step <= CpuAccount::max_held_steps; ++step) {
    world.vcpu().cpu_ns += 200 * ms;
    world.run_guest(200 * ms, 0);
    world.collect(false);
  }
  CHECK(world.of(CpuComponent::guest_silent) == 600 * ms);
  world.vcpu().cpu_ns += 50 * ms;
  world.run_guest(50 * ms, 0);
  world.collect();  // since when it had been silent it does not say
  CHECK(world.of(CpuComponent::guest_silent) == 650 * ms);
  CHECK(world.of(CpuComponent::workload) == 100 * ms);
  CHECK(world.account.overhead_ns() == 0);
  world.vcpu().cpu_ns += 10 * ms;
  world.run_guest(10 * ms, 0);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 110 * ms);
}

TEST_CASE("another run of the guest begins anew") {
  CpuWorld world;
  world.collect();
  world.vcpu().cpu_ns += 100 * ms;
  world.run_guest(100 * ms, 0);
  world.collect();
  SECTION("counting from 0") {
    world.guest = {2, 5 * ms, 5 * ms};
  }
  SECTION("being further than before already") {
    world.guest = {2, 500 * ms, 500 * ms};
  }
  SECTION("unnoticed, but for its counters") {
    world.guest = {1, 5 * ms, 5 * ms};
  }
  world.vcpu().cpu_ns += 40 * ms;
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 100 * ms);
  CHECK(world.of(CpuComponent::guest_silent) == 40 * ms);
  world.vcpu().cpu_ns += 30 * ms;
  world.run_guest(20 * ms, 10 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 120 * ms);
  CHECK(world.of(CpuComponent::guest_system) == 10 * ms);
}

TEST_CASE("a sandbox that we saw start has all its time in the account, its boot as guest_silent") {
  CpuWorld world;
  world.vcpu().cpu_ns = 1500 * ms;
  world.run_guest(100 * ms, 400 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 100 * ms);
  CHECK(world.of(CpuComponent::guest_system) == 400 * ms);
  CHECK(world.of(CpuComponent::guest_silent) == 1000 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
}

TEST_CASE("what ran before us is not counted, whether the guest answers first or not") {
  CpuWorld world;
  world.vcpu().cpu_ns = 1'000'000 * ms;
  world.host.cpu[Role::vmm].cpu_ns = 500 * ms;
  world.run_guest(900'000 * ms, 1000 * ms);
  world.begin();
  const bool answers = GENERATE(true, false);
  world.vcpu().cpu_ns += 3 * ms;
  world.collect(answers);
  CHECK(world.account.total_ns() == 3 * ms);
  CHECK(world.of(CpuComponent::guest_silent) == 3 * ms);
}

TEST_CASE("vCPUs that cannot be identified are found in the VMM's time") {
  CpuWorld world;
  world.host.cpu.erase(Role::vcpu);
  world.collect();
  world.host.cpu[Role::vmm].cpu_ns += 100 * ms;
  world.run_guest(60 * ms, 20 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 60 * ms);
  CHECK(world.of(CpuComponent::guest_system) == 20 * ms);
  CHECK(world.of(CpuComponent::vmm) == 20 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  // One of them has been seen in guest mode.
  world.vcpu() = {50 * ms, 0};
  world.host.cpu[Role::vmm].cpu_ns += 10 * ms;
  world.run_guest(40 * ms, 10 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 100 * ms);
  CHECK(world.of(CpuComponent::vmm) == 30 * ms);
}

TEST_CASE("whatever comes, the components are the total and none falls") {
  std::mt19937_64 random(7);
  const auto up_to = [&](std::uint64_t max) { return std::uniform_int_distribution<std::uint64_t>(0, max)(random); };
  CpuWorld world;
  if (up_to(1) == 1) world.begin();
  for (int step = 0; step < 20'000; ++step) {
    for (auto& [role, cpu] : world.host.cpu) {
      cpu.cpu_ns += up_to(300 * ms);
      cpu.run_delay_ns += up_to(up_to(1) * 300 * ms);
    }
    world.host.usage[Role::vmm].guest_ns += up_to(300 * ms);
    world.run_guest(up_to(600 * ms), up_to(600 * ms));
    if (up_to(50) == 0) world.guest = {world.guest.run + up_to(1), up_to(ms), 0};
    if (up_to(50) == 0) world.guest.workload_ns = world.guest.cpu_ns;
    world.collect(up_to(9) != 0);
    CHECK(world.account.overhead_ns() <= world.account.total_ns());
  }
  CHECK(world.of(CpuComponent::workload) > 0);
  CHECK(world.of(CpuComponent::guest_silent) > 0);
}

TEST_CASE("the guest's CPU is split into workload and guest system, and the latter does not fall") {
  wire::Guest guest;
  guest.cpu_usage_ns = 100;
  guest.workload_cpu_usage_ns = 60;
  const auto first = split_guest_cpu(guest, std::nullopt);
  REQUIRE(first);
  CHECK(first->workload_ns == 60);
  CHECK(first->guest_system_ns == 40);
  guest.cpu_usage_ns = 105;
  guest.workload_cpu_usage_ns = 70;
  const auto second = split_guest_cpu(guest, first);
  CHECK(second->workload_ns == 70);
  CHECK(second->guest_system_ns == 40);
  guest.workload_cpu_usage_ns.reset();
  CHECK_FALSE(split_guest_cpu(guest, second));
}

TEST_CASE("the owners of the guest system's CPU time are all of it") {
  const auto cpu = divide_guest_system_cpu(100, owners(30, 20, 1), std::nullopt);
  REQUIRE(cpu);
  CHECK((cpu->kernel_ns == 30 && cpu->agent_ns == 20 && cpu->probe_ns == 1 && cpu->other_ns == 49));
}

TEST_CASE("a guest that does not report the owners has none") {
  wire::Guest old = owners(1, 2, 3);
  old.agent_cpu_usage_ns.reset();
  CHECK_FALSE(divide_guest_system_cpu(100, old, std::nullopt));
}

TEST_CASE("no owner falls, and the four stay all of it") {
  const auto first = divide_guest_system_cpu(100, owners(30, 20, 1), std::nullopt);
  // The owners were read late the last time and early now: their sum rose by 15, the whole by 10.
  const auto second = divide_guest_system_cpu(110, owners(40, 25, 1), first);
  CHECK(second->other_ns == 49);
  CHECK((second->kernel_ns >= 30 && second->agent_ns >= 20 && second->probe_ns >= 1));
  CHECK(sum(*second) == 110);
  const auto third = divide_guest_system_cpu(130, owners(40, 25, 1), second);
  CHECK((third->kernel_ns == 40 && third->agent_ns == 25 && third->other_ns == 64));
}

TEST_CASE("a guest-probe that was started again begins at 0; its old time is another's") {
  const auto first = divide_guest_system_cpu(100, owners(30, 20, 10), std::nullopt);
  const auto second = divide_guest_system_cpu(101, owners(30, 20, 1), first);
  CHECK((second->probe_ns == 1 && second->other_ns == 50));
}

TEST_CASE("a guest cannot report more for its owners than there is") {
  const auto cpu = divide_guest_system_cpu(100, owners(UINT64_MAX, UINT64_MAX, 90), std::nullopt);
  CHECK(sum(*cpu) == 100);
}
