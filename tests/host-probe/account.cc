#include "host-probe/merge/account.h"

#include <catch2/catch.hpp>

#include "host-probe/merge/report.h"

using namespace katameter;

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t mib = 1 << 20;

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

wire::Container container(char digit, std::uint64_t cpu_ns) {
  wire::Container made;
  made.id = id_of(digit);
  made.cpu_usage_ns = cpu_ns;
  made.memory_usage_bytes = 10 * mib;
  return made;
}

struct Sandbox {
  Sandbox() {
    report.guest_up = true;
    report.processes.emplace().cpu = {{Role::vcpu, {}}, {Role::vmm, {}}};
    report.guest_cpu = GuestCpu{};
  }
  /// The guest ran its containers, and the host its vCPUs for `host` ns of `host` + `wait`.
  void run(std::uint64_t workload, std::uint64_t system, std::uint64_t host, std::uint64_t wait) {
    report.guest_cpu->workload_ns += workload;
    report.guest_cpu->guest_system_ns += system;
    report.processes->cpu[Role::vcpu].cpu_ns += host;
    report.processes->cpu[Role::vcpu].run_delay_ns += wait;
    ++report.guest_snapshots;
  }
  std::uint64_t share(char digit) { return account.container_cpu_ns.at(id_of(digit)); }
  void take_up() { account = books.take_up(report); }

  SandboxReport report;
  Books books;
  Account account;
};

}  // namespace

TEST_CASE("containers have their share of the host's time, without the wait") {
  Sandbox sandbox;
  sandbox.report.containers = {container('1', 0), container('2', 0)};
  sandbox.run(0, 0, 0, 0);
  sandbox.take_up();
  sandbox.report.containers = {container('1', 300 * ms), container('2', 100 * ms)};
  sandbox.run(400 * ms, 0, 200 * ms, 200 * ms);
  sandbox.take_up();
  CHECK(sandbox.share('1') == 150 * ms);
  CHECK(sandbox.share('2') == 50 * ms);
  CHECK(sandbox.account.cpu_ns[static_cast<std::size_t>(CpuComponent::workload)] == 200 * ms);
  CHECK(sandbox.account.steal_ns == 200 * ms);

  // One is gone, one is new, one was made again under its id.
  sandbox.report.containers = {container('1', 20 * ms), container('3', 80 * ms)};
  sandbox.run(100 * ms, 0, 100 * ms, 0);
  sandbox.take_up();
  CHECK(sandbox.share('1') == 170 * ms);
  CHECK(sandbox.share('3') == 80 * ms);
  CHECK(sandbox.account.container_cpu_ns.size() == 2);
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
    sandbox.report.containers = {container('1', one + 3 * ms), container('2', two + 3 * ms)};
    sandbox.run(100 * ms, step % 7 * ms, (step % 5) * 30 * ms, (step % 3) * 50 * ms);
    sandbox.report.guest_up = step % 11 != 10;
    sandbox.take_up();
    if (!sandbox.report.guest_up) continue;
    CHECK(sandbox.share('1') >= last_one);
    CHECK(sandbox.share('2') >= last_two);
    last_one = sandbox.share('1');
    last_two = sandbox.share('2');
    CHECK(last_one + last_two <= sandbox.account.cpu_ns[static_cast<std::size_t>(CpuComponent::workload)]);
  }
  CHECK(last_one > 0);
  CHECK(last_two > 0);
}

TEST_CASE("a snapshot that was taken up is no answer a second time") {
  Sandbox sandbox;
  sandbox.run(10 * ms, 0, 10 * ms, 0);
  sandbox.take_up();
  CHECK(sandbox.account.divided);
  sandbox.report.processes->cpu[Role::vcpu].cpu_ns += 10 * ms;
  sandbox.take_up();
  CHECK_FALSE(sandbox.account.divided);
  CHECK(sandbox.account.cpu_ns[static_cast<std::size_t>(CpuComponent::guest_silent)] == 10 * ms);
}

TEST_CASE("guest RAM that the host holds is divided by what the guest does with it") {
  const SandboxMemory host{130 * mib, 20 * mib, 3 * mib, 5 * mib, 2 * mib};
  // Of 200 MiB in its kernel's count 120 are free, of which some were used before.
  const MemoryAccount account = account_memory(host, GuestMemoryReading{200 * mib, 120 * mib, 30 * mib, 50 * mib});
  CHECK(account.host_total == 160 * mib);
  REQUIRE(account.by_use);
  CHECK(account.by_use->workload == 50 * mib);
  CHECK(account.by_use->guest_system == 30 * mib);
  CHECK(account.by_use->free == 50 * mib);
  CHECK(account.by_use->residual == 0);
  CHECK(account.overhead == 110 * mib);
  CHECK(account.reclaimable == 80 * mib);
}

TEST_CASE("RAM that the guest's kernel does not count is the residual") {
  const MemoryAccount account =
      account_memory({130 * mib, 0, 0, 0, 0}, GuestMemoryReading{100 * mib, 10 * mib, 0, 40 * mib});
  CHECK(account.by_use->guest_system == 50 * mib);
  CHECK(account.by_use->free == 10 * mib);
  CHECK(account.by_use->residual == 30 * mib);
}

TEST_CASE("whatever a guest claims, the parts of its RAM are the RAM that the host holds") {
  const std::uint64_t much = std::uint64_t{1} << 62;
  for (const auto& guest : {GuestMemoryReading{0, 0, 0, 0}, GuestMemoryReading{much, 0, much, much},
                            GuestMemoryReading{0, much, much, 0}, GuestMemoryReading{mib, mib, 0, much}}) {
    for (const std::uint64_t ram : {std::uint64_t{0}, 100 * mib}) {
      const SandboxMemory host{ram, 20 * mib, 3 * mib, 5 * mib, 2 * mib};
      const MemoryAccount account = account_memory(host, guest);
      const auto& use = *account.by_use;
      CHECK(use.workload + use.guest_system + use.free + use.residual == account.guest_ram);
      CHECK(account.host_total == ram + 30 * mib);
      CHECK(account.guest_ram <= account.host_total);
      CHECK(*account.overhead <= account.host_total);
      CHECK(*account.reclaimable <= account.guest_ram);
    }
  }
}

TEST_CASE("private guest RAM is looked for in the VMM's own memory") {
  const MemoryAccount account = account_memory({0, 300 * mib, 0, 5 * mib, 2 * mib},
                                               GuestMemoryReading{500 * mib, 300 * mib, 30 * mib, 150 * mib});
  CHECK(account.guest_ram == 200 * mib);
  CHECK(account.by_use->workload == 150 * mib);
  CHECK(account.overhead == 157 * mib);
}

TEST_CASE("a silent guest leaves the host's total alone") {
  Sandbox sandbox;
  sandbox.report.guest_up = false;
  sandbox.report.processes->memory.guest_ram_bytes = 7 * mib;
  sandbox.take_up();
  CHECK(sandbox.account.memory.host_total == 7 * mib);
  CHECK_FALSE(sandbox.account.memory.by_use);
  CHECK_FALSE(sandbox.account.memory.overhead);
  CHECK_FALSE(sandbox.account.memory.reclaimable);
  CHECK_FALSE(sandbox.account.guest_known);
}
