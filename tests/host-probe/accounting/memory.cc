#include "host-probe/accounting/memory.h"

#include <catch2/catch.hpp>

#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;

namespace {

MemoryAccount account_of(const SandboxMemory& host, const std::optional<GuestMemoryReading>& guest) {
  return MemoryAccounting().update(host, guest);
}

}  // namespace

TEST_CASE("guest RAM that the host holds is divided by what the guest does with it") {
  const SandboxMemory host{130 * mebibyte, 20 * mebibyte, 3 * mebibyte, 5 * mebibyte, 2 * mebibyte};
  // Of 200 MiB in its kernel's count 120 are free, of which some were used before.
  const MemoryAccount account =
      account_of(host, GuestMemoryReading{200 * mebibyte, 120 * mebibyte, 30 * mebibyte, 50 * mebibyte});
  CHECK(account.host_total() == 160 * mebibyte);
  REQUIRE(account.by_use);
  CHECK(account.by_use->workload == 50 * mebibyte);
  CHECK(account.by_use->guest_system == 30 * mebibyte);
  CHECK(account.by_use->free == 50 * mebibyte);
  CHECK(account.by_use->residual == 0);
  CHECK(account.overhead == 110 * mebibyte);
  CHECK(account.reclaimable == 80 * mebibyte);
}

TEST_CASE("RAM that the guest's kernel does not count is the residual") {
  const MemoryAccount account =
      account_of({130 * mebibyte, 0, 0, 0, 0}, GuestMemoryReading{100 * mebibyte, 10 * mebibyte, 0, 40 * mebibyte});
  CHECK(account.by_use->guest_system == 50 * mebibyte);
  CHECK(account.by_use->free == 10 * mebibyte);
  CHECK(account.by_use->residual == 30 * mebibyte);
}

TEST_CASE("whatever a guest reports, the parts of its RAM are the RAM that the host holds") {
  const std::uint64_t much = std::uint64_t{1} << 62;
  for (const auto& guest : {GuestMemoryReading{0, 0, 0, 0}, GuestMemoryReading{much, 0, much, much},
                            GuestMemoryReading{0, much, much, 0}, GuestMemoryReading{mebibyte, mebibyte, 0, much}}) {
    for (const std::uint64_t ram : {std::uint64_t{0}, 100 * mebibyte}) {
      const SandboxMemory host{ram, 20 * mebibyte, 3 * mebibyte, 5 * mebibyte, 2 * mebibyte};
      const MemoryAccount account = account_of(host, guest);
      const auto& use = *account.by_use;
      CHECK(use.workload + use.guest_system + use.free + use.residual == account.by_component.guest_ram_bytes);
      CHECK(account.host_total() == ram + 30 * mebibyte);
      CHECK(account.by_component.guest_ram_bytes <= account.host_total());
      CHECK(*account.overhead <= account.host_total());
      CHECK(*account.reclaimable <= account.by_component.guest_ram_bytes);
    }
  }
}

TEST_CASE("private guest RAM is what the guest was seen to use, out of the VMM's memory") {
  MemoryAccounting memory;
  const SandboxMemory host{0, 300 * mebibyte, 0, 5 * mebibyte, 2 * mebibyte};
  const auto parts = [&](const MemoryAccount& account) {
    return std::pair(account.by_component.guest_ram_bytes / mebibyte, account.by_component.vmm_bytes / mebibyte);
  };
  CHECK(parts(memory.update(host, std::nullopt)) == std::pair<std::uint64_t, std::uint64_t>(0, 300));
  MemoryAccount account =
      memory.update(host, GuestMemoryReading{500 * mebibyte, 300 * mebibyte, 30 * mebibyte, 150 * mebibyte});
  CHECK(parts(account) == std::pair<std::uint64_t, std::uint64_t>(200, 100));
  CHECK(account.host_total() == 307 * mebibyte);
  CHECK(account.by_use->workload == 150 * mebibyte);
  CHECK(account.by_use->free == 0);
  CHECK(account.overhead == 157 * mebibyte);

  // What is free again in the guest is still the host's, and the guest's RAM.
  account = memory.update(host, GuestMemoryReading{500 * mebibyte, 420 * mebibyte, 30 * mebibyte, 50 * mebibyte});
  CHECK(parts(account) == std::pair<std::uint64_t, std::uint64_t>(200, 100));
  CHECK(account.by_use->free == 120 * mebibyte);
  CHECK(account.overhead == 257 * mebibyte);

  // A guest that does not answer moves nothing.
  account = memory.update(host, std::nullopt);
  CHECK(parts(account) == std::pair<std::uint64_t, std::uint64_t>(200, 100));
  CHECK_FALSE(account.by_use);
}

TEST_CASE("private guest RAM that is all touched, as with VFIO, is not the VMM's own, nor overhead that is used") {
  const MemoryAccount account =
      account_of({0, 560 * mebibyte, 0, 0, 0}, GuestMemoryReading{500 * mebibyte, 420 * mebibyte, 0, 50 * mebibyte});
  CHECK(account.by_component.guest_ram_bytes == 500 * mebibyte);
  CHECK(account.by_component.vmm_bytes == 60 * mebibyte);
  CHECK(account.by_use->free == 420 * mebibyte);
}

TEST_CASE("Dragonball's private guest RAM is in the shim") {
  const MemoryAccount account =
      account_of({0, 0, 0, 300 * mebibyte, 0}, GuestMemoryReading{500 * mebibyte, 300 * mebibyte, 0, 0});
  CHECK(account.by_component.guest_ram_bytes == 200 * mebibyte);
  CHECK(account.by_component.shim_bytes == 100 * mebibyte);
}

TEST_CASE("a small file that the VMM holds is not taken for all of the guest's RAM") {
  const MemoryAccount account =
      account_of({4 * mebibyte, 300 * mebibyte, 0, 0, 0}, GuestMemoryReading{500 * mebibyte, 300 * mebibyte, 0, 0});
  CHECK(account.by_component.guest_ram_bytes == 200 * mebibyte);
  CHECK(account.by_component.vmm_bytes == 104 * mebibyte);
}

TEST_CASE("what the kernel charges the sandbox is compared with the total, either way") {
  SandboxMemory host{100 * mebibyte, 20 * mebibyte, 3 * mebibyte, 5 * mebibyte, 2 * mebibyte};
  CHECK_FALSE(account_of(host, std::nullopt).unaccounted);
  host.cgroup_bytes = 140 * mebibyte;
  CHECK(account_of(host, std::nullopt).unaccounted == 10 * std::int64_t{mebibyte});
  host.cgroup_bytes = 100 * mebibyte;
  CHECK(account_of(host, std::nullopt).unaccounted == -30 * std::int64_t{mebibyte});
}
