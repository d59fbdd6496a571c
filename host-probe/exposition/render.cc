#include "host-probe/exposition/render.h"

#include <string>
#include <utility>

#include "host-probe/exposition/block_device_metrics.h"
#include "host-probe/exposition/container_labels.h"
#include "host-probe/exposition/families.h"
#include "host-probe/exposition/guest_metrics.h"
#include "host-probe/exposition/metric_table.h"
#include "host-probe/exposition/own_process.h"
#include "host-probe/exposition/render_account.h"
#include "host-probe/exposition/render_processes.h"

namespace katameter {
namespace {

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

void add_memory_failures(Families& families, const wire::Container& container, const Labels& labels) {
  for (const metric::FailureMetric& failure : metric::memory_failure_types) {
    if (!(container.*failure.figure)) continue;
    for (const char* scope : {"container", "hierarchy"}) {
      Labels of_series = labels;
      of_series.push_back({"failure_type", failure.failure_type});
      of_series.push_back({"scope", scope});
      families.add(metric::memory_failures, of_series, number(*(container.*failure.figure)));
    }
  }
}

void add_block_devices(Families& families, const wire::Container& container, const Labels& labels) {
  for (const wire::BlockDevice& device : container.block_devices) {
    const std::string major = std::to_string(device.major);
    const std::string minor = std::to_string(device.minor);
    Labels of_device = labels;
    std::string path = "/dev/block/";
    path.append(major).append(":").append(minor);
    of_device.push_back({"device", path});
    for (const metric::BlockDeviceMetric& metric : metric::of_block_device) {
      families.add(metric.descriptor, of_device, number(device.*metric.figure));
    }
    of_device.push_back({"major", major});
    of_device.push_back({"minor", minor});
    for (const metric::BlockDeviceOperation& operation : metric::block_device_operations) {
      Labels of_series = of_device;
      of_series.push_back({"operation", operation.operation});
      families.add(metric::block_device_usage, of_series, number(device.*operation.figure));
    }
  }
}

void add_containers(Families& families, const SandboxReport& sandbox, std::int64_t unix_seconds) {
  for (const wire::Container& container : sandbox.containers) {
    const Labels labels = container_labels(sandbox.id, container.id, sandbox.names.get());
    for (const ContainerMetric& metric : metric::of_container) {
      const std::optional<double> value = metric.value(container);
      if (!value) continue;
      Labels of_series = labels;
      if (metric.per_cpu) of_series.push_back({"cpu", "total"});
      families.add(metric.descriptor, of_series, *value);
    }
    add_memory_failures(families, container, labels);
    add_block_devices(families, container, labels);
    for (const metric::SwitchMetric& of_type : metric::switch_types) {
      if (!(container.*of_type.figure)) continue;
      Labels of_series = labels;
      of_series.push_back({"type", of_type.type});
      families.add(metric::context_switches, of_series, number(*(container.*of_type.figure)));
    }
    families.add(metric::container_last_seen, labels, static_cast<double>(unix_seconds));
    if (const auto start = sandbox.start_times.find(container.id); start != sandbox.start_times.end()) {
      families.add(metric::container_start, labels, static_cast<double>(start->second));
    }
  }
  for (const auto& [container, kills] : sandbox.oom_kills) {
    families.add(metric::container_ooms, container_labels(sandbox.id, container, sandbox.names.get()), number(kills));
  }
}

// From 0 on, so that the first kill is an increase; classes that ought not to be there only if they are.
void add_oom_classes(Families& families, const SandboxReport& sandbox, const std::string& id) {
  for (std::size_t i = 0; i < sandbox.oom_kills_by_class.size(); ++i) {
    const auto oom_class = static_cast<wire::OomClass>(i);
    const bool rare = oom_class == wire::OomClass::unknown || oom_class == wire::OomClass::other_limit;
    if (rare && sandbox.oom_kills_by_class[i] == 0) continue;
    families.add(metric::guest_ooms, {{"sandbox_id", id}, {"class", wire::name(oom_class)}},
                 number(sandbox.oom_kills_by_class[i]));
  }
}

// The interfaces are the sandbox's; as with kubelet its pause container, which has its id, stands for the pod.
void add_network(Families& families, const SandboxReport& sandbox) {
  for (const wire::Interface& link : sandbox.interfaces) {
    Labels labels = container_labels(sandbox.id, sandbox.id, sandbox.names.get());
    labels.push_back({"interface", link.name});
    for (const metric::InterfaceMetric& metric : metric::of_interface) {
      families.add(metric.descriptor, labels, number(link.*metric.figure));
    }
  }
}

void add_guest_memory(Families& families, const wire::Guest& guest, const std::string& id) {
  for (const metric::GuestMemoryMetric& metric : metric::of_guest) {
    if (guest.*metric.figure) families.add(metric.descriptor, {{"sandbox_id", id}}, number(*(guest.*metric.figure)));
  }
  for (const metric::GuestMemoryPart& part : metric::guest_memory_parts) {
    if (!(guest.*part.figure)) continue;
    families.add(metric::guest_memory, {{"sandbox_id", id}, {"component", part.component}},
                 number(*(guest.*part.figure)));
  }
}

void add_unattributed(Families& families, const wire::Guest& guest, const Labels& labels) {
  if (!guest.unattributed_containers) return;
  families.add(metric::unattributed_containers, labels, number(*guest.unattributed_containers));
  families.add(metric::unattributed_cpu, labels, detail::seconds(guest.unattributed_cpu_usage_ns.value_or(0)));
  families.add(metric::unattributed_memory, labels, number(guest.unattributed_memory_usage_bytes.value_or(0)));
}

void add_losses(Families& families, const wire::Guest& guest, const Labels& labels) {
  for (const metric::GuestLossMetric& loss : metric::guest_losses) {
    families.add(loss.descriptor, labels, number(guest.*loss.figure));
  }
}

void add_guest(Families& families, const SandboxReport& sandbox, const std::string& id) {
  const Labels labels{{"sandbox_id", id}};
  families.add(metric::guest_up, labels, sandbox.guest_up ? 1 : 0);
  families.add(metric::guest_suspect, labels, sandbox.suspect ? 1 : 0);
  families.add(metric::oom_events, labels, number(sandbox.oom_events));
  add_oom_classes(families, sandbox, id);
  for (std::size_t i = 0; i < sandbox.rejected.size(); ++i) {
    if (sandbox.rejected[i] == 0) continue;
    families.add(metric::rejected, {{"sandbox_id", id}, {"reason", name(static_cast<DropReason>(i))}},
                 number(sandbox.rejected[i]));
  }
  add_network(families, sandbox);
  add_guest_memory(families, sandbox.guest, id);
  add_unattributed(families, sandbox.guest, labels);
  if (sandbox.guest_up) add_losses(families, sandbox.guest, labels);
  if (!sandbox.guest_cpu) return;
  const auto cpu = [&](const char* owner, std::uint64_t ns) {
    families.add(metric::guest_cpu, {{"sandbox_id", id}, {"owner", owner}}, detail::seconds(ns));
  };
  cpu("workload", sandbox.guest_cpu->workload_ns);
  cpu("guest_system", sandbox.guest_cpu->guest_system_ns);
  if (!sandbox.guest_system_cpu) return;
  const auto system = [&](const char* owner, std::uint64_t ns) {
    families.add(metric::guest_system_cpu, {{"sandbox_id", id}, {"owner", owner}}, detail::seconds(ns));
  };
  system("kernel", sandbox.guest_system_cpu->kernel_ns);
  system("agent", sandbox.guest_system_cpu->agent_ns);
  system("guest_probe", sandbox.guest_system_cpu->probe_ns);
  system("other", sandbox.guest_system_cpu->other_ns);
}

// To join on sandbox_id what has no other label of the pod.
void add_info(Families& families, const SandboxNames& names, const std::string& id) {
  families.add(metric::sandbox_info,
               {{"sandbox_id", id},
                {"namespace", names.pod_namespace},
                {"pod", names.pod},
                {"runtime_handler", names.runtime_handler}},
               1);
}

void add_node(Families& families, bool success) {
  families.add(metric::build_info, {{"version", KATAMETER_VERSION}}, 1);
  families.add(metric::collect_success, {}, success ? 1 : 0);
  add_own_process(families);
}

}  // namespace

Exposition render(const NodeReport& report) {
  Families families;
  std::size_t sandboxes = 0;
  for (const SandboxReport& sandbox : report.sandboxes) {
    const std::string id = sandbox.id.hex();
    add_containers(families, sandbox, report.unix_seconds);
    add_host_ooms(families, sandbox.host_ooms, id);
    if (sandbox.ended) continue;
    ++sandboxes;
    if (sandbox.names) add_info(families, *sandbox.names, id);
    add_guest(families, sandbox, id);
    if (sandbox.processes) add_processes(families, *sandbox.processes, id);
    if (sandbox.account) {
      add_account(families, *sandbox.account, id, [&](const ContainerId& container) {
        return container_labels(sandbox.id, container, sandbox.names.get());
      });
    }
  }
  add_node(families, true);
  families.add(metric::sandboxes, {}, number(sandboxes));
  families.add(metric::host_figures, {}, report.host_figures ? 1 : 0);
  families.add(metric::collect_duration, {}, report.duration_seconds);
  for (const auto& [name, collector] : {std::pair("guests", report.guests), std::pair("processes", report.processes)}) {
    families.add(metric::collector_duration, {{"collector", name}}, collector.seconds);
    families.add(metric::collector_success, {{"collector", name}}, collector.success ? 1 : 0);
  }
  return std::move(families).take();
}

Exposition render_failure() {
  Families families;
  add_node(families, false);
  return std::move(families).take();
}

}  // namespace katameter
