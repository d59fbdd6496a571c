#include "host-probe/accounting/sandbox_accounting.h"

#include <algorithm>

namespace katameter::host {

namespace {

void subtract(std::uint64_t& value, std::uint64_t before) {
  value -= std::min(value, before);
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

Account SandboxAccounting::update(const SandboxProcesses& host, const std::optional<GuestReading>& guest) {
  const bool current = guest && !guest->late;
  const std::optional<GuestCpuReading> cpu = current ? guest->cpu : std::nullopt;
  cpu_.update(host, cpu, guest && guest->late);
  if (cpu) {
    const std::uint64_t step = cpu->workload_ns - std::min(cpu->workload_ns, last_workload_ns_);
    last_workload_ns_ = cpu->workload_ns;
    shares_.update(*guest->containers, cpu_.workload_step_ns(), step, cpu_.divided());
  }

  Account account;
  account.cpu_ns = cpu_.components();
  account.cpu_total_ns = cpu_.total_ns();
  account.cpu_overhead_ns = cpu_.overhead_ns();
  account.steal_ns = cpu_.steal_ns();
  account.guest_known = cpu_.guest_known();
  account.divided = cpu_.divided();
  if (guest) account.container_cpu_ns = shares_.host_cpu_ns();
  account.memory = memory_.update(host.memory, current ? guest->memory : std::nullopt);
  return account;
}

}  // namespace katameter::host
