#include "host-probe/exposition/render_guests.h"

#include <optional>

#include "host-probe/exposition/guest_metrics.h"
#include "host-probe/exposition/metric_table.h"
#include "host-probe/exposition/render_each.h"

namespace katameter {
namespace {

using Value = std::optional<double>;

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

Value number(const wire::Figure& figure) {
  return figure ? Value(number(*figure)) : std::nullopt;
}

void add_state(Families& families, const LabelledReport& report) {
  add_of_each(families, report, metric::guest_up, {}, [](const SandboxReport& of) -> Value { return of.guest_up; });
  add_of_each(families, report, metric::guest_suspect, {}, [](const SandboxReport& of) -> Value { return of.suspect; });
  for (std::size_t i = 0; i < drop_reasons; ++i) {
    add_of_each(
        families, report, metric::rejected, {{"reason", name(static_cast<DropReason>(i))}},
        [&](const SandboxReport& of) { return of.rejected[i] > 0 ? Value(number(of.rejected[i])) : std::nullopt; });
  }
}

// From 0 on, so that the first kill is an increase; classes that ought not to be there only if they are.
void add_ooms(Families& families, const LabelledReport& report) {
  add_of_each(families, report, metric::oom_events, {},
              [](const SandboxReport& of) -> Value { return number(of.oom_events); });
  for (std::size_t i = 0; i < wire::oom_classes; ++i) {
    const auto oom_class = static_cast<wire::OomClass>(i);
    const bool rare = oom_class == wire::OomClass::unknown || oom_class == wire::OomClass::other_limit;
    add_of_each(families, report, metric::guest_ooms, {{"class", wire::name(oom_class)}}, [&](const SandboxReport& of) {
      const std::uint64_t kills = of.oom_kills_by_class[i];
      return rare && kills == 0 ? std::nullopt : Value(number(kills));
    });
  }
}

// The interfaces are the sandbox's; as with kubelet its pause container, which has its id, stands for the pod.
void add_network(Families& families, const LabelledReport& report) {
  for (const metric::InterfaceMetric& metric : metric::of_interface) {
    for (const LabelledSandbox& sandbox : report.living()) {
      for (const wire::Interface& link : sandbox.report.interfaces) {
        families.add(metric.descriptor, *sandbox.pod, {{"interface", link.name}}, number(link.*metric.figure));
      }
    }
  }
}

void add_memory(Families& families, const LabelledReport& report) {
  for (const metric::GuestMemoryMetric& metric : metric::of_guest) {
    add_of_each(families, report, metric.descriptor, {},
                [&](const SandboxReport& of) { return number(of.guest.*metric.figure); });
  }
  for (const metric::GuestMemoryPart& part : metric::guest_memory_parts) {
    add_of_each(families, report, metric::guest_memory, {{"component", part.component}},
                [&](const SandboxReport& of) { return number(of.guest.*part.figure); });
  }
}

void add_unattributed(Families& families, const LabelledReport& report) {
  const auto add = [&](const Descriptor& metric, wire::Figure wire::Guest::*figure, double unit) {
    add_of_each(families, report, metric, {}, [&](const SandboxReport& of) {
      return of.guest.unattributed_containers ? Value(number((of.guest.*figure).value_or(0)) / unit) : std::nullopt;
    });
  };
  add(metric::unattributed_containers, &wire::Guest::unattributed_containers, 1);
  add(metric::unattributed_cpu, &wire::Guest::unattributed_cpu_usage_ns, 1e9);
  add(metric::unattributed_memory, &wire::Guest::unattributed_memory_usage_bytes, 1);
}

void add_losses(Families& families, const LabelledReport& report) {
  for (const metric::GuestLossMetric& loss : metric::guest_losses) {
    add_of_each(families, report, loss.descriptor, {}, [&](const SandboxReport& of) {
      return of.guest_up ? Value(number(of.guest.*loss.figure)) : std::nullopt;
    });
  }
  for (const metric::ProgramMisses& misses : metric::program_misses_by_hook) {
    add_of_each(families, report, metric::program_misses, {{"program", misses.program}},
                [&](const SandboxReport& of) { return of.guest_up ? number(of.guest.*misses.figure) : std::nullopt; });
  }
}

void add_cpu(Families& families, const LabelledReport& report) {
  const auto of_guest = [&](const char* owner, std::uint64_t GuestCpu::*ns) {
    add_of_each(families, report, metric::guest_cpu, {{"owner", owner}}, [&](const SandboxReport& of) {
      return of.guest_cpu ? Value(detail::seconds((*of.guest_cpu).*ns)) : std::nullopt;
    });
  };
  of_guest("workload", &GuestCpu::workload_ns);
  of_guest("guest_system", &GuestCpu::guest_system_ns);
  const auto of_system = [&](const char* owner, std::uint64_t GuestSystemCpu::*ns) {
    add_of_each(families, report, metric::guest_system_cpu, {{"owner", owner}}, [&](const SandboxReport& of) {
      return of.guest_cpu && of.guest_system_cpu ? Value(detail::seconds((*of.guest_system_cpu).*ns)) : std::nullopt;
    });
  };
  of_system("kernel", &GuestSystemCpu::kernel_ns);
  of_system("agent", &GuestSystemCpu::agent_ns);
  of_system("guest_probe", &GuestSystemCpu::probe_ns);
  of_system("other", &GuestSystemCpu::other_ns);
}

}  // namespace

void add_guests(Families& families, const LabelledReport& report) {
  add_state(families, report);
  add_ooms(families, report);
  add_network(families, report);
  add_memory(families, report);
  add_unattributed(families, report);
  add_losses(families, report);
  add_cpu(families, report);
}

}  // namespace katameter
