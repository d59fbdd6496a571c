#include "host-probe/accounting/shared_costs.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "host-probe/accounting/sandbox_accounting.h"
#include "tests/support/containers.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::id_of;

namespace {

/// A sandbox whose host and guest are moved on by hand.
struct CostsWorld {
  CostsWorld() {
    for (const Role role : roles) host.cpu[role] = {};
    for (const Role role : {Role::vmm, Role::virtiofsd, Role::shim}) host.usage[role] = {};
    host.io = true;
    guest.virtiofs_system_requests = guest.virtiofs_unknown_requests = 0;
    guest.virtiofs_system_read_bytes = guest.virtiofs_unknown_read_bytes = 0;
    guest.virtiofs_system_written_bytes = guest.virtiofs_unknown_written_bytes = 0;
  }

  wire::Container& container(char digit) {
    const auto [known, is_new] = containers.try_emplace(digit);
    if (is_new) {
      known->second.id = id_of(digit);
      known->second.cpu_usage_ns = 0;
    }
    return known->second;
  }
  /// The container's requests to virtiofs, of which those with bytes are some.
  void ask(char digit, std::uint64_t lookups, std::uint64_t read = 0, std::uint64_t written = 0) {
    wire::Container& of = container(digit);
    of.virtiofs_lookups = of.virtiofs_lookups.value_or(0) + lookups;
    of.virtiofs_read_bytes = of.virtiofs_read_bytes.value_or(0) + read;
    of.virtiofs_written_bytes = of.virtiofs_written_bytes.value_or(0) + written;
  }
  void use_block_device(char digit, std::uint64_t read, std::uint64_t written) {
    wire::Container& of = container(digit);
    of.block_devices.resize(1);
    of.block_devices[0].read_bytes += read;
    of.block_devices[0].write_bytes += written;
  }
  /// The guest's CPU time is no matter here.
  void collect() { account = accounting.update(host, reading()); }
  void collect_without_guest() { account = accounting.update(host, std::nullopt); }

  std::optional<std::uint64_t> cost(char digit, SharedCost cost) const {
    return at(account.container_costs.at(id_of(digit)), cost);
  }
  std::uint64_t unattributed(SharedCost cost) const { return at(account.unattributed_costs, cost).value(); }

  GuestReading reading(bool late = false) {
    living.clear();
    for (const auto& [digit, of] : containers) living.push_back(of);
    return {late, cpu, std::nullopt, &living, &guest};
  }

  SandboxProcesses host;
  GuestCpuReading cpu{1, 0, 0};
  wire::Guest guest;
  std::map<char, wire::Container> containers;
  std::vector<wire::Container> living;
  SandboxAccounting accounting;
  Account account;
};

}  // namespace

TEST_CASE("virtiofsd's CPU time is divided by requests and their bytes") {
  CostsWorld world;
  world.collect();
  world.host.cpu[Role::virtiofsd].cpu_ns = 100 * ms;
  world.ask('1', 300);
  world.ask('2', 100);
  world.container('3');
  world.collect();
  CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 75 * ms);
  CHECK(world.cost('2', SharedCost::virtiofsd_cpu) == 25 * ms);
  CHECK_FALSE(world.cost('3', SharedCost::virtiofsd_cpu));  // it has never used virtiofs
  CHECK(world.unattributed(SharedCost::virtiofsd_cpu) == 0);
  // So many bytes that they count as much as the requests of the other.
  world.host.cpu[Role::virtiofsd].cpu_ns += 100 * ms;
  world.ask('1', 0, 60 * static_cast<std::uint64_t>(CostSharing::request_bytes));
  world.ask('2', 60);
  world.collect();
  CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 125 * ms);
  CHECK(world.cost('2', SharedCost::virtiofsd_cpu) == 75 * ms);
}

TEST_CASE("what virtiofsd reads and writes is divided by bytes, and by requests where nobody moved any") {
  CostsWorld world;
  world.collect();
  world.host.usage[Role::virtiofsd].read_bytes = 10 * mebibyte;
  world.host.usage[Role::virtiofsd].write_bytes = 6 * mebibyte;
  world.ask('1', 10'000, mebibyte, 0);
  world.ask('2', 1, 4 * mebibyte, 2 * mebibyte);
  world.collect();
  CHECK(world.cost('1', SharedCost::virtiofsd_reads) == 2 * mebibyte);
  CHECK(world.cost('2', SharedCost::virtiofsd_reads) == 8 * mebibyte);
  CHECK(world.cost('1', SharedCost::virtiofsd_writes) == 0);
  CHECK(world.cost('2', SharedCost::virtiofsd_writes) == 6 * mebibyte);
  world.host.usage[Role::virtiofsd].read_bytes += 4 * mebibyte;
  world.ask('1', 3);
  world.ask('2', 1);
  world.collect();
  CHECK(world.cost('1', SharedCost::virtiofsd_reads) == 5 * mebibyte);
  CHECK(world.cost('2', SharedCost::virtiofsd_reads) == 9 * mebibyte);
  CHECK(world.unattributed(SharedCost::virtiofsd_reads) == 0);
  CHECK(world.account.container_costs.at(id_of('1')) ==
        SharedCosts{0, world.cost('1', SharedCost::virtiofsd_cpu), 5 * mebibyte, 0, std::nullopt, std::nullopt});
}

TEST_CASE("what no container asked for is unattributed") {
  CostsWorld world;
  world.collect();
  world.host.cpu[Role::virtiofsd].cpu_ns = 100 * ms;
  world.host.usage[Role::virtiofsd].read_bytes = 8 * mebibyte;
  world.ask('1', 50, mebibyte);
  SECTION("requests of the guest system and of owners that are not known") {
    world.guest.virtiofs_system_requests = 25;
    world.guest.virtiofs_unknown_requests = 25;
    world.guest.virtiofs_unknown_read_bytes = mebibyte;
    world.collect();
    CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 50 * ms);
    CHECK(world.unattributed(SharedCost::virtiofsd_cpu) == 50 * ms);
    CHECK(world.unattributed(SharedCost::virtiofsd_reads) == 4 * mebibyte);
  }
  SECTION("what virtiofsd used while the guest was away; its requests are not charged twice") {
    world.collect_without_guest();
    CHECK(world.unattributed(SharedCost::virtiofsd_cpu) == 100 * ms);
    CHECK(world.account.container_costs.empty());
    world.host.cpu[Role::virtiofsd].cpu_ns += 10 * ms;
    world.collect();
    CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 10 * ms);
    world.host.cpu[Role::virtiofsd].cpu_ns += 10 * ms;
    world.collect();
    CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 10 * ms);
    CHECK(world.unattributed(SharedCost::virtiofsd_cpu) == 110 * ms);
  }
  SECTION("of a guest that answers late") {
    world.account = world.accounting.update(world.host, world.reading(true));
    CHECK(world.unattributed(SharedCost::virtiofsd_cpu) == 100 * ms);
  }
  SECTION("of a guest that does not count") {
    world.containers.at('1') = {};
    world.containers.at('1').id = id_of('1');
    world.guest = {};
    world.collect();
    CHECK_FALSE(world.cost('1', SharedCost::virtiofsd_cpu));
    CHECK(world.unattributed(SharedCost::virtiofsd_cpu) == 100 * ms);
  }
  SECTION("and all of a guest that has never answered, without its workload, which is not known") {
    CostsWorld silent;
    silent.host = world.host;
    silent.collect_without_guest();
    CHECK(silent.account.unattributed_costs == SharedCosts{std::nullopt, 100 * ms, 8 * mebibyte, 0, 0, 0});
  }
}

TEST_CASE("what was counted before host-probe came is not divided") {
  CostsWorld world;
  world.host.cpu[Role::virtiofsd].cpu_ns = 1000 * ms;
  world.host.usage[Role::virtiofsd].read_bytes = 1000 * mebibyte;
  world.ask('1', 1'000'000, 1000 * mebibyte);
  world.accounting.begin(world.host);
  world.collect();
  CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 0);
  CHECK(world.unattributed(SharedCost::virtiofsd_cpu) == 0);
  CHECK(world.unattributed(SharedCost::virtiofsd_reads) == 0);
  world.host.cpu[Role::virtiofsd].cpu_ns += 30 * ms;
  world.host.usage[Role::virtiofsd].read_bytes += 3 * mebibyte;
  world.ask('1', 10, mebibyte);
  world.ask('2', 10, mebibyte);
  world.collect();
  CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 15 * ms);
  CHECK(world.cost('2', SharedCost::virtiofsd_reads) == 3 * mebibyte / 2);
}

TEST_CASE("what the VMM reads and writes is divided by block I/O, and no container gets more than its own") {
  CostsWorld world;
  world.collect();
  world.host.usage[Role::vmm].read_bytes = 10 * mebibyte;
  world.host.usage[Role::vmm].write_bytes = mebibyte;
  world.use_block_device('1', mebibyte, 6 * mebibyte);
  world.use_block_device('2', 2 * mebibyte, 2 * mebibyte);
  world.collect();
  CHECK(world.cost('1', SharedCost::vmm_reads) == mebibyte);
  CHECK(world.cost('2', SharedCost::vmm_reads) == 2 * mebibyte);
  CHECK(world.unattributed(SharedCost::vmm_reads) == 7 * mebibyte);  // the guest's image
  CHECK(world.cost('1', SharedCost::vmm_writes) == 3 * mebibyte / 4);
  CHECK(world.unattributed(SharedCost::vmm_writes) == 0);
  CHECK_FALSE(world.cost('1', SharedCost::virtiofsd_reads));
}

TEST_CASE("without a virtiofsd it is the VMM, a part of the shim maybe, that serves virtiofs") {
  CostsWorld world;
  const Role vmm = GENERATE(Role::vmm, Role::shim);
  world.host.cpu = {{Role::vcpu, {}}, {vmm, {}}};
  world.host.usage = {{vmm, {}}};
  world.collect();
  world.host.usage[vmm].read_bytes = 3 * mebibyte;
  world.ask('1', 10, mebibyte);
  world.use_block_device('2', 2 * mebibyte, 0);
  world.collect();
  CHECK(world.cost('1', SharedCost::vmm_reads) == mebibyte);
  CHECK(world.cost('2', SharedCost::vmm_reads) == 2 * mebibyte);
  CHECK_FALSE(at(world.account.unattributed_costs, SharedCost::virtiofsd_cpu));
}

TEST_CASE("without the host's counters of I/O there are no costs of it") {
  CostsWorld world;
  world.host.io = false;
  world.ask('1', 10, mebibyte);
  world.collect();
  CHECK(world.cost('1', SharedCost::virtiofsd_cpu) == 0);
  CHECK_FALSE(world.cost('1', SharedCost::virtiofsd_reads));
  CHECK_FALSE(at(world.account.unattributed_costs, SharedCost::virtiofsd_reads));
}

TEST_CASE("whatever comes, containers and what is unattributed are together the host's costs, and none falls") {
  std::mt19937_64 random(19);
  const auto up_to = [&](std::uint64_t max) { return std::uniform_int_distribution<std::uint64_t>(0, max)(random); };
  CostsWorld world;
  SharedCosts of_ended{};  // with what they had last
  std::map<char, SharedCosts> last;
  SharedCosts last_unattributed{};
  SandboxProcesses begun;
  if (GENERATE(false, true)) {
    world.host.cpu[Role::virtiofsd].cpu_ns = 700 * ms;
    world.host.usage[Role::virtiofsd] = {1, 2, 3, 400 * mebibyte, 500 * mebibyte};
    world.accounting.begin(begun = world.host);
  }
  for (int step = 0; step < 5000; ++step) {
    for (const Role role : roles) world.host.cpu[role].cpu_ns += up_to(200 * ms);
    for (auto& [role, usage] : world.host.usage) {
      usage.read_bytes += up_to(up_to(2) * mebibyte);
      usage.write_bytes += up_to(up_to(2) * mebibyte);
    }
    const char digit = static_cast<char>('1' + up_to(8));
    world.container(digit);
    for (auto& [each, container] : world.containers) {
      *container.cpu_usage_ns += up_to(100 * ms);
      world.cpu.workload_ns += up_to(100 * ms);
      if (up_to(2) == 0) world.ask(each, up_to(1000), up_to(up_to(1) * mebibyte), up_to(up_to(1) * mebibyte));
      if (up_to(2) == 0) world.use_block_device(each, up_to(mebibyte), up_to(mebibyte));
      // Made again under its id; or a guest that reports what it likes.
      if (up_to(60) == 0) container.virtiofs_lookups = up_to(up_to(9) == 0 ? UINT64_MAX : 5);
    }
    world.cpu.cpu_ns = world.cpu.workload_ns + up_to(10) * ms;
    *world.guest.virtiofs_system_requests += up_to(300);
    *world.guest.virtiofs_unknown_written_bytes += up_to(mebibyte);
    if (up_to(50) == 0) ++world.cpu.run;
    if (up_to(9) == 0) {
      world.collect_without_guest();
    } else {
      // One ends, with what it had by the last reading.
      const auto costs = world.accounting.container_costs().find(id_of(digit));
      if (up_to(4) == 0 && costs != world.accounting.container_costs().end()) {
        for (std::size_t cost = 0; cost < shared_costs; ++cost) {
          of_ended[cost] = of_ended[cost].value_or(0) + costs->second[cost].value_or(0);
        }
        world.containers.erase(digit);
        last.erase(digit);
      }
      world.collect();
      CHECK(world.account.container_costs.size() == world.containers.size());
    }
    const auto& of_containers = world.accounting.container_costs();
    for (std::size_t cost = 0; cost < shared_costs; ++cost) {
      if (!world.account.unattributed_costs[cost]) continue;
      std::uint64_t sum = of_ended[cost].value_or(0) + *world.account.unattributed_costs[cost];
      for (const auto& [id, costs] : of_containers) sum += costs[cost].value_or(0);
      const auto of_host = [&](SharedCost of) {
        switch (of) {
          case SharedCost::workload_cpu: return world.account.cpu_ns[static_cast<std::size_t>(CpuComponent::workload)];
          case SharedCost::virtiofsd_cpu:
            return world.account.cpu_ns[static_cast<std::size_t>(CpuComponent::virtiofsd)];
          case SharedCost::virtiofsd_reads:
            return world.host.usage[Role::virtiofsd].read_bytes - begun.usage[Role::virtiofsd].read_bytes;
          case SharedCost::virtiofsd_writes:
            return world.host.usage[Role::virtiofsd].write_bytes - begun.usage[Role::virtiofsd].write_bytes;
          case SharedCost::vmm_reads: return world.host.usage[Role::vmm].read_bytes;
          case SharedCost::vmm_writes: break;
        }
        return world.host.usage[Role::vmm].write_bytes;
      };
      INFO("step " << step << ", cost " << cost);
      REQUIRE(sum == of_host(static_cast<SharedCost>(cost)));
      REQUIRE(*world.account.unattributed_costs[cost] >= last_unattributed[cost].value_or(0));
      for (const auto& [each, container] : world.containers) {
        const auto costs = of_containers.find(container.id);
        if (costs == of_containers.end()) continue;
        REQUIRE(costs->second[cost].value_or(0) >= last[each][cost].value_or(0));
      }
    }
    last_unattributed = world.account.unattributed_costs;
    for (const auto& [each, container] : world.containers) {
      const auto costs = of_containers.find(container.id);
      if (costs != of_containers.end()) last[each] = costs->second;
    }
  }
}
