#include "host-probe/exposition/render_processes.h"

#include "host-probe/exposition/process_metrics.h"

namespace katameter {
namespace {

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

void add_usage(Families& families, const SandboxProcesses& processes, const std::string& id) {
  for (const auto& [role, usage] : processes.usage) {
    const char* const of_role = name(role);
    const auto series = [&](const Descriptor& descriptor, const char* label, const char* value, std::uint64_t figure) {
      families.add(descriptor, {{"sandbox_id", id}, {"role", of_role}, {label, value}}, number(figure));
    };
    series(metric::process_faults, "type", "minor", usage.minor_faults);
    series(metric::process_faults, "type", "major", usage.major_faults);
    if (!processes.io) continue;
    series(metric::process_io, "direction", "read", usage.read_bytes);
    series(metric::process_io, "direction", "write", usage.write_bytes);
  }
  if (!processes.cpu.contains(Role::vcpu)) return;
  std::uint64_t guest_ns = 0;
  for (const auto& [role, usage] : processes.usage) guest_ns += usage.guest_ns;
  families.add(metric::process_guest_time, {{"sandbox_id", id}}, number(guest_ns) / 1e9);
}

}  // namespace

void add_processes(Families& families, const SandboxProcesses& processes, const std::string& id) {
  for (const auto& [role, cpu] : processes.cpu) {
    const Labels labels{{"sandbox_id", id}, {"role", name(role)}};
    families.add(metric::process_cpu, labels, number(cpu.cpu_ns) / 1e9);
    families.add(metric::process_run_delay, labels, number(cpu.run_delay_ns) / 1e9);
  }
  add_usage(families, processes, id);
  for (const auto& [role, memory] : processes.role_memory) {
    for (const metric::MemoryKind& kind : metric::memory_kinds) {
      families.add(metric::process_memory, {{"sandbox_id", id}, {"role", name(role)}, {"kind", kind.kind}},
                   number(memory.*kind.figure));
    }
  }
  for (const metric::MemoryComponent& part : metric::memory_components) {
    families.add(metric::sandbox_memory, {{"sandbox_id", id}, {"component", part.component}},
                 number(processes.memory.*part.figure));
  }
}

void add_host_ooms(Families& families, const std::map<Role, std::uint64_t>& kills, const std::string& id) {
  for (const auto& [role, count] : kills) {
    families.add(metric::host_ooms, {{"sandbox_id", id}, {"role", name(role)}}, number(count));
  }
}

}  // namespace katameter
