#include "host-probe/accounting/sandbox_accounting.h"

#include <algorithm>

namespace katameter::host {

namespace {

void subtract(std::uint64_t& value, std::uint64_t before) {
  value -= std::min(value, before);
}

bool has_virtiofsd(const SandboxProcesses& host) {
  return host.cpu.contains(Role::virtiofsd);
}

}  // namespace

void SandboxAccounting::begin(const SandboxProcesses& before) {
  cpu_.begin(before);
  before_ = before;
}

SandboxProcesses SandboxAccounting::since_begin(SandboxProcesses host) const {
  for (const auto& [role, before] : before_.cpu) {
    const auto now = host.cpu.find(role);
    if (now == host.cpu.end()) continue;
    subtract(now->second.cpu_ns, before.cpu_ns);
    subtract(now->second.run_delay_ns, before.run_delay_ns);
  }
  for (const auto& [role, before] : before_.usage) {
    const auto now = host.usage.find(role);
    if (now == host.usage.end()) continue;
    for (const auto counter : usage_counters) subtract(now->second.*counter, before.*counter);
  }
  return host;
}

// Of threads in the VMM's process it is known only together what they read and wrote. Dragonball is a part of the shim.
SharedCosts SandboxAccounting::shared_costs_of(const SandboxProcesses& host) const {
  SharedCosts costs{};
  if (cpu_.guest_known()) at(costs, SharedCost::workload_cpu) = cpu_.of(CpuComponent::workload);
  if (has_virtiofsd(host)) at(costs, SharedCost::virtiofsd_cpu) = cpu_.of(CpuComponent::virtiofsd);
  if (!host.io) return costs;
  const auto put = [&](Role role, SharedCost reads, SharedCost writes) {
    const auto now = host.usage.find(role);
    if (now == host.usage.end()) return;
    const auto before = before_.usage.find(role);
    const RoleUsage begun = before != before_.usage.end() ? before->second : RoleUsage();
    at(costs, reads) = now->second.read_bytes - std::min(now->second.read_bytes, begun.read_bytes);
    at(costs, writes) = now->second.write_bytes - std::min(now->second.write_bytes, begun.write_bytes);
  };
  put(Role::virtiofsd, SharedCost::virtiofsd_reads, SharedCost::virtiofsd_writes);
  put(host.usage.contains(Role::vmm) ? Role::vmm : Role::shim, SharedCost::vmm_reads, SharedCost::vmm_writes);
  return costs;
}

Account SandboxAccounting::update(const SandboxProcesses& host, const std::optional<GuestReading>& guest) {
  const bool current = guest && !guest->late;
  const std::optional<GuestCpuReading> cpu = current ? guest->cpu : std::nullopt;
  cpu_.update(host, cpu, guest && guest->late);
  if (cpu) {
    costs_.update(shared_costs_of(host), {*guest->containers, cpu->workload_ns, guest->guest_wide, has_virtiofsd(host)},
                  cpu_.divided());
  } else {
    costs_.update(shared_costs_of(host));
  }

  Account account;
  account.cpu_ns = cpu_.components();
  account.cpu_total_ns = cpu_.total_ns();
  account.cpu_overhead_ns = cpu_.overhead_ns();
  account.steal_ns = cpu_.steal_ns();
  account.guest_known = cpu_.guest_known();
  account.divided = cpu_.divided();
  if (guest) account.container_costs = costs_.of_containers();
  account.unattributed_costs = costs_.unattributed();
  account.memory = memory_.update(host.memory, current ? guest->memory : std::nullopt);
  return account;
}

void SandboxAccounting::update_ended(const SandboxProcesses& host) {
  cpu_.update(host, std::nullopt, true);
  costs_.update(shared_costs_of(host));
}

}  // namespace katameter::host
