#include "host-probe/exposition/render_account.h"

#include "host-probe/exposition/account_metrics.h"

namespace katameter {
namespace {

double seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

void add_memory(Families& families, const MemoryAccount& account, const std::string& id) {
  const auto series = [&](const Descriptor& descriptor, std::uint64_t bytes) {
    families.add(descriptor, {{"sandbox_id", id}}, static_cast<double>(bytes));
  };
  series(metric::account_memory_total, account.host_total);
  if (account.overhead) series(metric::account_memory_overhead, *account.overhead);
  if (account.reclaimable) series(metric::account_reclaimable, *account.reclaimable);
  if (!account.by_use) return;
  const auto use = [&](const char* name, std::uint64_t bytes) {
    families.add(metric::account_guest_ram, {{"sandbox_id", id}, {"use", name}}, static_cast<double>(bytes));
  };
  use("workload", account.by_use->workload);
  use("guest_system", account.by_use->guest_system);
  use("free", account.by_use->free);
  use("residual", account.by_use->residual);
}

}  // namespace

void add_account(Families& families, const Account& account, const std::string& id,
                 const std::function<Labels(const ContainerId&)>& container_labels) {
  for (std::size_t i = 0; i < cpu_components; ++i) {
    const auto component = static_cast<CpuComponent>(i);
    families.add(metric::account_cpu, {{"sandbox_id", id}, {"component", name(component)}}, seconds(account.cpu_ns[i]));
  }
  families.add(metric::account_cpu_total, {{"sandbox_id", id}}, seconds(account.cpu_total_ns));
  if (account.guest_known) {
    families.add(metric::account_cpu_overhead, {{"sandbox_id", id}}, seconds(account.cpu_overhead_ns));
    families.add(metric::account_steal, {{"sandbox_id", id}}, seconds(account.steal_ns));
  }
  for (const auto& [container, cpu_ns] : account.container_cpu_ns) {
    families.add(metric::container_host_cpu, container_labels(container), seconds(cpu_ns));
  }
  add_memory(families, account.memory, id);
}

}  // namespace katameter
