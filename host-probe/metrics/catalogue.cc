#include <string>
#include <string_view>
#include <vector>

#include "host-probe/metrics/metric_notes.h"
#include "host-probe/metrics/metric_table.h"
#include "host-probe/metrics/table.h"

namespace katameter {
namespace {

Descriptor with_note(Descriptor metric, std::string_view labels) {
  metric.labels = labels;
  for (const metric::Note& note : metric::notes) {
    if (note.metric != metric.name) continue;
    metric.unit = note.unit;
    metric.source = note.source;
  }
  return metric;
}

// The metrics that are one value of a container's snapshot.
std::vector<Descriptor> container_values() {
  std::vector<Descriptor> rows;
  for (const ContainerMetric& row : metric::of_container) {
    rows.push_back(with_note(row.descriptor, row.per_cpu ? "cpu" : ""));
  }
  rows.push_back(with_note(metric::memory_failures, "failure_type, scope"));
  rows.push_back(with_note(metric::container_ooms, ""));
  rows.push_back(with_note(metric::container_start, ""));
  rows.push_back(with_note(metric::context_switches, "type"));
  return rows;
}

void append_row(std::string& out, const Descriptor& metric) {
  const bool counts = metric.type == prometheus::MetricType::Counter;
  out.append("| `").append(metric.name).append("` | ").append(counts ? "counter" : "gauge");
  for (const std::string_view cell : {metric.unit, metric.labels, metric.help, metric.source}) {
    out.append(" | ").append(cell);
  }
  out += " |\n";
}

void append_head(std::string& out, const MetricGroup& group) {
  out.append("\n## ").append(group.title).append("\n\n").append(group.about);
  out += "\n\n| metric | type | unit | further labels | what | from |\n|---|---|---|---|---|---|\n";
}

void append_rows(std::string& out, const MetricGroup& group) {
  for (const MetricRow& row : group.rows) append_row(out, row.metric);
}

}  // namespace

std::string catalogue_markdown() {
  std::string out =
      "# Metrics\n\nWritten by `host-probe metrics` from the table that host-probe serves from, "
      "not by hand: `host-probe metrics >docs/metrics.md`.\n\n"
      "A value that a kernel does not have has no series; it is never 0 instead. v1 and v2 are the versions of cgroups "
      "in\nthe guest. The values of a container include the cgroups inside it.\n";
  append_head(out, container_group);
  for (const Descriptor& metric : container_values()) append_row(out, metric);
  append_rows(out, container_group);
  for (const MetricGroup* group :
       {&network_group, &guest_group, &accounting_group, &process_group, &node_group, &own_group,
        &registry_group}) {
    append_head(out, *group);
    append_rows(out, *group);
  }
  return out;
}

}  // namespace katameter
