#include "host-probe/accounting/memory.h"

#include <algorithm>

namespace katameter::host {
namespace {

// Moves up to `wanted` bytes out of `rest`.
std::uint64_t take(std::uint64_t& rest, std::uint64_t wanted) {
  const std::uint64_t taken = std::min(rest, wanted);
  rest -= taken;
  return taken;
}

}  // namespace

MemoryAccount account_memory(const SandboxMemory& host, const std::optional<GuestMemoryReading>& guest) {
  MemoryAccount account;
  account.host_total =
      host.guest_ram_bytes + host.vmm_bytes + host.virtiofsd_bytes + host.shim_bytes + host.page_tables_bytes;
  account.guest_ram = host.guest_ram_bytes;
  if (!guest) return account;

  const std::uint64_t used = guest->total - std::min(guest->total, guest->free);
  const std::uint64_t system = used - std::min(used, guest->workload);
  const bool shared = host.guest_ram_bytes > 0;
  if (!shared) account.guest_ram = std::min(host.vmm_bytes + host.shim_bytes, std::max(used, guest->workload));
  std::uint64_t rest = account.guest_ram;
  GuestRamUse& by_use = account.by_use.emplace();
  by_use.workload = take(rest, guest->workload);
  by_use.guest_system = take(rest, system);
  by_use.free = take(rest, guest->free);
  by_use.residual = rest;
  account.overhead = account.host_total - by_use.workload;
  account.reclaimable = by_use.free + std::min(guest->cache, by_use.workload + by_use.guest_system);
  return account;
}

}  // namespace katameter::host
