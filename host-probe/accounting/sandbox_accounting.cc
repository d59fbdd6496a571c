#include "host-probe/accounting/sandbox_accounting.h"

#include <algorithm>

namespace katameter::host {

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
  account.memory = memory_.update(host.memory, current ? guest->memory : std::nullopt);
  return account;
}

}  // namespace katameter::host
