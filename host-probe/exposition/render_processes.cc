#include "host-probe/exposition/render_processes.h"

#include <optional>

#include "host-probe/exposition/process_metrics.h"
#include "host-probe/exposition/render_each.h"

namespace katameter {
namespace {

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

// A series of each sandbox and role that has a figure in one of the maps of SandboxProcesses.
template <typename Figures, typename Value>
void add_of_roles(Families& families, const LabelledReport& report, const Descriptor& metric,
                  std::map<Role, Figures> SandboxProcesses::*by_role, const std::optional<Label>& further,
                  const Value& value) {
  for (const Role role : roles) {
    Labels of_role{{"role", name(role)}};
    if (further) of_role.push_back(*further);
    add_of_each(families, report, metric, of_role, [&](const SandboxReport& of) -> std::optional<double> {
      if (!of.processes) return std::nullopt;
      const auto& figures = (*of.processes).*by_role;
      const auto found = figures.find(role);
      if (found == figures.end()) return std::nullopt;
      return value(*of.processes, found->second);
    });
  }
}

void add_usage(Families& families, const LabelledReport& report) {
  const auto add_faults = [&](const char* type, std::uint64_t RoleUsage::*figure) {
    add_of_roles(families, report, metric::process_faults, &SandboxProcesses::usage, Label{"type", type},
                 [&](const SandboxProcesses&, const RoleUsage& usage) { return number(usage.*figure); });
  };
  add_faults("minor", &RoleUsage::minor_faults);
  add_faults("major", &RoleUsage::major_faults);
  const auto add_io = [&](const char* direction, std::uint64_t RoleUsage::*figure) {
    add_of_roles(families, report, metric::process_io, &SandboxProcesses::usage, Label{"direction", direction},
                 [&](const SandboxProcesses& of, const RoleUsage& usage) {
                   return of.io ? std::optional(number(usage.*figure)) : std::nullopt;
                 });
  };
  add_io("read", &RoleUsage::read_bytes);
  add_io("write", &RoleUsage::write_bytes);
  add_of_each(families, report, metric::process_guest_time, {}, [](const SandboxReport& of) -> std::optional<double> {
    if (!of.processes || !of.processes->cpu.contains(Role::vcpu)) return std::nullopt;
    std::uint64_t guest_ns = 0;
    for (const auto& [role, usage] : of.processes->usage) guest_ns += usage.guest_ns;
    return number(guest_ns) / 1e9;
  });
}

void add_memory(Families& families, const LabelledReport& report) {
  for (const metric::MemoryKind& kind : metric::memory_kinds) {
    add_of_roles(families, report, metric::process_memory, &SandboxProcesses::role_memory, Label{"kind", kind.kind},
                 [&](const SandboxProcesses&, const RoleMemory& memory) { return number(memory.*kind.figure); });
  }
  for (const metric::MemoryComponent& part : metric::memory_components) {
    add_of_each(families, report, metric::sandbox_memory, {{"component", part.component}},
                [&](const SandboxReport& of) -> std::optional<double> {
                  if (!of.processes) return std::nullopt;
                  return number(of.processes->memory.*part.figure);
                });
  }
}

void add_host_ooms(Families& families, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.all()) {
    for (const auto& [role, count] : sandbox.report.host_ooms) {
      families.add(metric::host_ooms, sandbox.id, {{"role", name(role)}}, number(count));
    }
  }
}

}  // namespace

void add_processes(Families& families, const LabelledReport& report) {
  add_of_roles(families, report, metric::process_cpu, &SandboxProcesses::cpu, {},
               [](const SandboxProcesses&, const RoleCpu& cpu) { return number(cpu.cpu_ns) / 1e9; });
  add_of_roles(families, report, metric::process_run_delay, &SandboxProcesses::cpu, {},
               [](const SandboxProcesses&, const RoleCpu& cpu) { return number(cpu.run_delay_ns) / 1e9; });
  add_usage(families, report);
  add_memory(families, report);
  add_host_ooms(families, report);
}

}  // namespace katameter
