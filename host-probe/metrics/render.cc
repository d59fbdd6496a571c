#include "host-probe/metrics/render.h"

#include <exception>
#include <utility>

#include "host-probe/metrics/figure_metrics.h"
#include "host-probe/metrics/table.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

template <typename Visit>
void for_each_container(const LabelledReport& report, const Visit& visit) {
  for (const LabelledSandbox& sandbox : report.living()) {
    for (std::size_t i = 0; i < sandbox.containers.size(); ++i)
      visit(sandbox.report.guest->containers[i], *sandbox.containers[i]);
  }
}

// Whether the value is reported of a container that has ended: a gauge would stand beside its successor's.
constexpr bool outlives_container(std::size_t figure) {
  return is_counter(wire::container_figures[figure].kind);
}

// The series of one value.
void add_value(TextWriter& writer, const LabelledReport& report, const ContainerMetric& metric, const Labels& further) {
  const SeriesValue value_of(metric);
  for_each_container(report, [&](const wire::Container& container, const Labels& labels) {
    if (const auto value = value_of(container)) writer.add(*metric.descriptor, labels, further, *value);
  });
  if (!outlives_container(metric.figure)) return;
  for (const LabelledEnded& ended : report.ended_containers()) {
    if (const auto value = value_of(*ended.container.last)) {
      writer.add(*metric.descriptor, ended.labels, further, *value);
    }
  }
}

void add_value(TextWriter& writer, const LabelledReport& report, const ContainerMetric& metric) {
  const Shown& shown = metric.shown;
  Labels further;
  if (!shown.label.name.empty()) further.push_back(shown.label);
  for (const Label& label : shown.more_labels) {
    if (!label.name.empty()) further.push_back(label);
  }
  if (shown.other_label.empty()) {
    add_value(writer, report, metric, further);
    return;
  }
  for (const std::string_view value : shown.other_values) {
    Labels both = further;
    both.push_back({shown.other_label, value});
    add_value(writer, report, metric, both);
  }
}

void add_starts(TextWriter& writer, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.living()) {
    for (std::size_t i = 0; i < sandbox.containers.size(); ++i) {
      const GuestView& guest = *sandbox.report.guest;
      const auto start = guest.start_times.find(guest.containers[i].id);
      if (start == guest.start_times.end()) continue;
      writer.add(metric::container_start, *sandbox.containers[i], static_cast<double>(start->second));
    }
  }
}

// Those of containers that have ended, too.
void add_oom_kills(TextWriter& writer, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.all()) {
    for (const auto& [container, kills] : sandbox.report.oom_kills) {
      writer.add(metric::container_ooms, sandbox.by_container.at(container), static_cast<double>(kills));
    }
  }
}

// The metrics that are one value of a container's snapshot.
void add_containers(TextWriter& writer, const LabelledReport& report) {
  for (const ContainerMetric& metric : metric::of_container) {
    if (metric.descriptor->name.empty() || metric.shown.rule == Shown::Rule::counted_by_host) continue;
    add_value(writer, report, metric);
  }
  add_starts(writer, report);
  add_oom_kills(writer, report);
}

// The metrics that are one value of the guest as a whole.
void add_guests(TextWriter& writer, const LabelledReport& report) {
  for (const GuestMetric& metric : metric::of_guest) {
    if (metric.descriptor->name.empty()) continue;
    Labels further;
    if (!metric.shown.label.name.empty()) further.push_back(metric.shown.label);
    for (const LabelledSandbox& sandbox : report.living()) {
      if (!sandbox.report.guest) continue;
      const wire::Figure& value = sandbox.report.guest->guest_wide.*metric.figure;
      const Labels& labels = metric.shown.of_pod ? sandbox.pod() : sandbox.id;
      if (value) writer.add(*metric.descriptor, labels, further, static_cast<double>(*value) / metric.divisor);
    }
  }
}

void write(TextWriter& writer, const MetricGroup& group, const LabelledReport* report) {
  for (const MetricRow& row : group.rows) {
    if (row.write == nullptr) continue;
    SeriesWriter out(writer, row.metric, report);
    row.write(out);
  }
}

}  // namespace

void render(const NodeReport& report, TextWriter::Send send) {
  TextWriter writer(std::move(send));
  const LabelledReport labelled(report);
  add_containers(writer, labelled);
  for (const MetricGroup* group : {&container_group, &network_group, &guest_group}) write(writer, *group, &labelled);
  add_guests(writer, labelled);
  for (const MetricGroup* group : {&accounting_group, &process_group, &node_group, &own_group}) {
    write(writer, *group, &labelled);
  }
  writer.finish();
}

void render_failure(TextWriter::Send send) {
  TextWriter writer(std::move(send));
  write(writer, own_group, nullptr);
  writer.finish();
}

bool write_scrape(const std::shared_ptr<const NodeReport>& report, const TextWriter::Send& send) try {
  if (report) {
    render(*report, send);
  } else {
    render_failure(send);
  }
  send(OwnMetrics::of_process().text());
  return true;
} catch (const std::exception& error) {  // out of memory
  log_error("a scrape failed", {{"error", error.what()}});
  return false;
}

}  // namespace katameter::host
