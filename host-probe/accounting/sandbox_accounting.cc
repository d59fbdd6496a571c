#include "host-probe/accounting/sandbox_accounting.h"

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

Account SandboxAccounting::update(const SandboxProcesses& host, const std::optional<GuestReading>& guest) {
  const bool current = guest && !guest->late;
  const std::optional<GuestCpuReading> cpu = current ? guest->cpu : std::nullopt;
  cpu_.update(host, cpu);
  if (cpu) {
    const std::uint64_t step = cpu->workload_ns - std::min(cpu->workload_ns, last_workload_ns_);
    last_workload_ns_ = cpu->workload_ns;
    shares_.update(*guest->containers, cpu_.workload_step_ns(), step, cpu_.divided());
  }

  Account account;
  for (std::size_t i = 0; i < cpu_components; ++i) account.cpu_ns[i] = cpu_.of(static_cast<CpuComponent>(i));
  account.cpu_total_ns = cpu_.total_ns();
  account.cpu_overhead_ns = cpu_.overhead_ns();
  account.steal_ns = cpu_.steal_ns();
  account.guest_known = cpu_.guest_known();
  account.divided = cpu_.divided();
  if (guest) account.container_cpu_ns = shares_.host_cpu_ns();
  account.memory = account_memory(host.memory, current ? guest->memory : std::nullopt);
  return account;
}

}  // namespace katameter::host
