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

void MemoryAccounting::separate_private_ram(SandboxMemory& memory) const {
  // A file that the VMM holds for something else is small; one with the guest's RAM has what the guest uses.
  if (memory.guest_ram_bytes > most_used_ / 2) return;
  // Dragonball is a part of the shim.
  std::uint64_t& vmm = memory.vmm_bytes > 0 ? memory.vmm_bytes : memory.shim_bytes;
  const std::uint64_t touched = vmm >= guest_total_ ? guest_total_ : most_used_;
  memory.guest_ram_bytes += take(vmm, touched - std::min(touched, memory.guest_ram_bytes));
}

MemoryAccount MemoryAccounting::update(const SandboxMemory& host, const std::optional<GuestMemoryReading>& guest) {
  std::uint64_t used = 0;
  if (guest) {
    used = std::max(guest->total - std::min(guest->total, guest->free), guest->workload);
    most_used_ = std::max(most_used_, used);
    guest_total_ = std::max(guest->total, used);
  }
  MemoryAccount account;
  account.by_component = host;
  separate_private_ram(account.by_component);
  const std::uint64_t total = account.host_total();
  if (host.cgroup_bytes) account.unaccounted = static_cast<std::int64_t>(*host.cgroup_bytes - total);
  if (!guest) return account;

  std::uint64_t rest = account.by_component.guest_ram_bytes;
  GuestRamUse& by_use = account.by_use.emplace();
  by_use.workload = take(rest, guest->workload);
  by_use.guest_system = take(rest, used - guest->workload);
  by_use.free = take(rest, guest->free);
  by_use.residual = rest;
  account.overhead = total - by_use.workload;
  account.reclaimable = by_use.free + std::min(guest->cache, by_use.workload + by_use.guest_system);
  return account;
}

}  // namespace katameter::host
