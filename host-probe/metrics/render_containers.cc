#include "host-probe/metrics/render_containers.h"

#include "host-probe/metrics/metric_table.h"

namespace katameter {
namespace {

template <typename Visit>
void for_each_container(const LabelledReport& report, const Visit& visit) {
  for (const LabelledSandbox& sandbox : report.living()) {
    for (std::size_t i = 0; i < sandbox.containers.size(); ++i)
      visit(sandbox.report.guest->containers[i], *sandbox.containers[i]);
  }
}

void add_figure(TextWriter& families, const LabelledReport& report, const Descriptor& metric,
                wire::Figure wire::Container::*figure, const Labels& further) {
  for_each_container(report, [&](const wire::Container& container, const Labels& labels) {
    if (container.*figure) families.add(metric, labels, further, static_cast<double>(*(container.*figure)));
  });
}

void add_starts(TextWriter& families, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.living()) {
    for (std::size_t i = 0; i < sandbox.containers.size(); ++i) {
      const GuestView& guest = *sandbox.report.guest;
      const auto start = guest.start_times.find(guest.containers[i].id);
      if (start == guest.start_times.end()) continue;
      families.add(metric::container_start, *sandbox.containers[i], static_cast<double>(start->second));
    }
  }
}

// Those of containers that have ended, too.
void add_oom_kills(TextWriter& families, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.all()) {
    for (const auto& [container, kills] : sandbox.report.oom_kills) {
      families.add(metric::container_ooms, sandbox.by_container.at(container), static_cast<double>(kills));
    }
  }
}

}  // namespace

void add_containers(TextWriter& families, const LabelledReport& report) {
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
  for (const metric::SwitchMetric& of_type : metric::switch_types) {
    add_figure(families, report, metric::context_switches, of_type.figure, {{"type", of_type.type}});
  }
  add_starts(families, report);
  add_oom_kills(families, report);
}

}  // namespace katameter
