#include "host-probe/exposition/render_account.h"

#include <optional>

#include "host-probe/exposition/account_metrics.h"
#include "host-probe/exposition/render_each.h"

namespace katameter {
namespace {

using Value = std::optional<double>;

Value seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

Value bytes(const std::optional<std::uint64_t>& figure) {
  return figure ? Value(static_cast<double>(*figure)) : std::nullopt;
}

void add_container_cpu(Families& families, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.living()) {
    if (!sandbox.report.account) continue;
    for (const auto& [container, cpu_ns] : sandbox.report.account->container_cpu_ns) {
      families.add(metric::container_host_cpu, sandbox.by_container.at(container), *seconds(cpu_ns));
    }
  }
}

}  // namespace

void add_accounts(Families& families, const LabelledReport& report) {
  const auto add = [&](const Descriptor& metric, const Labels& further, const auto& value) {
    add_of_each(families, report, metric, further,
                [&](const SandboxReport& of) { return of.account ? value(*of.account) : Value(); });
  };
  for (std::size_t i = 0; i < cpu_components; ++i) {
    add(metric::account_cpu, {{"component", name(static_cast<CpuComponent>(i))}},
        [&](const Account& account) { return seconds(account.cpu_ns[i]); });
  }
  add(metric::account_cpu_total, {}, [](const Account& account) { return seconds(account.cpu_total_ns); });
  add(metric::account_cpu_overhead, {},
      [](const Account& account) { return account.guest_known ? seconds(account.cpu_overhead_ns) : Value(); });
  add(metric::account_steal, {},
      [](const Account& account) { return account.guest_known ? seconds(account.steal_ns) : Value(); });
  add_container_cpu(families, report);

  add(metric::account_memory_total, {}, [](const Account& account) { return bytes(account.memory.host_total); });
  add(metric::account_memory_overhead, {}, [](const Account& account) { return bytes(account.memory.overhead); });
  add(metric::account_reclaimable, {}, [](const Account& account) { return bytes(account.memory.reclaimable); });
  const auto add_use = [&](const char* use, std::uint64_t GuestRamUse::*figure) {
    add(metric::account_guest_ram, {{"use", use}}, [&](const Account& account) {
      return account.memory.by_use ? bytes((*account.memory.by_use).*figure) : Value();
    });
  };
  add_use("workload", &GuestRamUse::workload);
  add_use("guest_system", &GuestRamUse::guest_system);
  add_use("free", &GuestRamUse::free);
  add_use("residual", &GuestRamUse::residual);
}

}  // namespace katameter
