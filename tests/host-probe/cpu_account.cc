#include "host-probe/merge/cpu_account.h"

#include <catch2/catch.hpp>
#include <random>

using namespace katameter;

namespace {

constexpr std::uint64_t ms = 1'000'000;

/// A sandbox whose figures are moved on by hand.
struct World {
  SandboxProcesses host;
  GuestCpuReading guest{1, 0, 0};
  CpuAccount account;
  std::array<std::uint64_t, cpu_components> last{};
  std::uint64_t host_last = 0;

  World() {
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
    CHECK(account.total_ns() - host_last == host_ns() - host_before_);
    host_last = account.total_ns();
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

}  // namespace

TEST_CASE("on a host with time to spare the guest's own figures are the host's") {
  World world;
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
  World world;
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

TEST_CASE("a guest cannot claim more than its vCPUs had, nor save claims up") {
  World world;
  world.collect();
  world.vcpu() = {10 * ms, 5 * ms};
  world.run_guest(3'600'000 * ms, 0);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 10 * ms);
  CHECK(world.account.steal_ns() == 5 * ms);
  world.vcpu().cpu_ns += 5000 * ms;
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 10 * ms + CpuAccount::longest_claim_ns);
  CHECK(world.of(CpuComponent::vcpu_exits) == 5000 * ms - CpuAccount::longest_claim_ns);
}

TEST_CASE("host and guest read at different moments do not add up to exits") {
  World world;
  world.collect();
  for (int step = 0; step < 1000; ++step) {
    // The host's figures are early and late by turns.
    world.vcpu().cpu_ns += (step % 2 == 0 ? 1400 : 600) * ms;
    world.run_guest(990 * ms, 10 * ms);
    world.collect();
  }
  CHECK(world.of(CpuComponent::vcpu_exits) <= 400 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
  CHECK(world.account.total_ns() == 1'000'000 * ms);
}

TEST_CASE("what the vCPUs' waiting hides is the residual, and no more than that") {
  World world;
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

TEST_CASE("while the guest is silent its vCPUs' time is nobody's, and is not handed out later") {
  World world;
  world.collect();
  world.vcpu().cpu_ns += 100 * ms;
  world.run_guest(100 * ms, 0);
  world.collect();
  for (int step = 0; step < 3; ++step) {
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

TEST_CASE("a guest that boots anew begins anew") {
  World world;
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

TEST_CASE("a sandbox that we saw start has all its time in the books, its boot as silence") {
  World world;
  world.vcpu().cpu_ns = 1500 * ms;
  world.run_guest(100 * ms, 400 * ms);
  world.collect();
  CHECK(world.of(CpuComponent::workload) == 100 * ms);
  CHECK(world.of(CpuComponent::guest_system) == 400 * ms);
  CHECK(world.of(CpuComponent::guest_silent) == 1000 * ms);
  CHECK(world.of(CpuComponent::residual) == 0);
}

TEST_CASE("what ran before us is not counted, whoever asks first") {
  World world;
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

TEST_CASE("vCPUs that cannot be told apart are found in the VMM's time") {
  World world;
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
  const auto up_to = [&](std::uint64_t most) { return std::uniform_int_distribution<std::uint64_t>(0, most)(random); };
  World world;
  if (up_to(1) == 1) world.begin();
  for (int step = 0; step < 20'000; ++step) {
    for (auto& [role, cpu] : world.host.cpu) {
      cpu.cpu_ns += up_to(300 * ms);
      cpu.run_delay_ns += up_to(up_to(1) * 300 * ms);
    }
    world.run_guest(up_to(600 * ms), up_to(600 * ms));
    if (up_to(50) == 0) world.guest = {world.guest.boot + up_to(1), up_to(ms), 0};
    if (up_to(50) == 0) world.guest.workload_ns = world.guest.cpu_ns;
    world.collect(up_to(9) != 0);
    CHECK(world.account.overhead_ns() <= world.account.total_ns());
  }
  CHECK(world.of(CpuComponent::workload) > 0);
  CHECK(world.of(CpuComponent::guest_silent) > 0);
}
