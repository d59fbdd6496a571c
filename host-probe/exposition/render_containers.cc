#include "host-probe/exposition/render_containers.h"

#include <string>

#include "host-probe/exposition/block_device_metrics.h"
#include "host-probe/exposition/metric_table.h"

namespace katameter {
namespace {

template <typename Visit>
void for_each_container(const LabelledReport& report, const Visit& visit) {
  for (const LabelledSandbox& sandbox : report.living()) {
    for (std::size_t i = 0; i < sandbox.containers.size(); ++i)
      visit(sandbox.report.containers[i], *sandbox.containers[i]);
  }
}

void add_figure(Families& families, const LabelledReport& report, const Descriptor& metric,
                wire::Figure wire::Container::*figure, const Labels& further) {
  for_each_container(report, [&](const wire::Container& container, const Labels& labels) {
    if (container.*figure) families.add(metric, labels, further, static_cast<double>(*(container.*figure)));
  });
}

template <typename LabelsOf>
void add_of_devices(Families& families, const LabelledReport& report, const Descriptor& metric,
                    std::uint64_t wire::BlockDevice::*figure, const LabelsOf& labels_of) {
  for_each_container(report, [&](const wire::Container& container, const Labels& labels) {
    for (const wire::BlockDevice& device : container.block_devices) {
      families.add(metric, labels, labels_of(device), static_cast<double>(device.*figure));
    }
  });
}

Labels device_labels(const wire::BlockDevice& device) {
  return {{"device", "/dev/block/" + std::to_string(device.major) + ":" + std::to_string(device.minor)}};
}

void add_block_devices(Families& families, const LabelledReport& report) {
  for (const metric::BlockDeviceMetric& metric : metric::of_block_device) {
    add_of_devices(families, report, metric.descriptor, metric.figure, &device_labels);
  }
  for (const metric::BlockDeviceOperation& operation : metric::block_device_operations) {
    const auto labels_of = [&](const wire::BlockDevice& device) {
      Labels labels = device_labels(device);
      labels.push_back({"major", std::to_string(device.major)});
      labels.push_back({"minor", std::to_string(device.minor)});
      labels.push_back({"operation", operation.operation});
      return labels;
    };
    add_of_devices(families, report, metric::block_device_usage, operation.figure, labels_of);
  }
}

void add_starts(Families& families, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.living()) {
    for (std::size_t i = 0; i < sandbox.containers.size(); ++i) {
      const auto start = sandbox.report.start_times.find(sandbox.report.containers[i].id);
      if (start == sandbox.report.start_times.end()) continue;
      families.add(metric::container_start, *sandbox.containers[i], static_cast<double>(start->second));
    }
  }
}

// Those of containers that have ended, too.
void add_oom_kills(Families& families, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.all()) {
    for (const auto& [container, kills] : sandbox.report.oom_kills) {
      families.add(metric::container_ooms, sandbox.by_container.at(container), static_cast<double>(kills));
    }
  }
}

}  // namespace

void add_containers(Families& families, const LabelledReport& report, double last_seen) {
  for (const ContainerMetric& metric : metric::of_container) {
    const Labels further = metric.per_cpu ? Labels{{"cpu", "total"}} : Labels();
    for_each_container(report, [&](const wire::Container& container, const Labels& labels) {
      if (const auto value = metric.value(container)) families.add(metric.descriptor, labels, further, *value);
    });
  }
  for (const metric::FailureMetric& failure : metric::memory_failure_types) {
    for (const char* scope : {"container", "hierarchy"}) {
      add_figure(families, report, metric::memory_failures, failure.figure,
                 {{"failure_type", failure.failure_type}, {"scope", scope}});
    }
  }
  add_block_devices(families, report);
  for (const metric::SwitchMetric& of_type : metric::switch_types) {
    add_figure(families, report, metric::context_switches, of_type.figure, {{"type", of_type.type}});
  }
  for_each_container(report, [&](const wire::Container&, const Labels& labels) {
    families.add(metric::container_last_seen, labels, last_seen);
  });
  add_starts(families, report);
  add_oom_kills(families, report);
}

}  // namespace katameter
