#include "host-probe/metrics/table.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "host-probe/metrics/figure_metrics.h"

namespace katameter::host {
namespace {

Labels labels_of(std::string_view sandbox, std::string_view container, const SandboxNames::Container& names,
                 const SandboxNames& of_sandbox) {
  const bool is_pause = container == sandbox;
  std::string id = "/kata/";
  id.append(sandbox).append("/").append(container);
  return {{"id", id},
          {"name", container},
          {"image", is_pause ? of_sandbox.image : names.image},
          {"namespace", of_sandbox.pod_namespace},
          {"pod", of_sandbox.pod},
          {"container", is_pause ? of_sandbox.container : names.name}};
}

LabelledSandbox with_labels(const SandboxReport& report) {
  LabelledSandbox sandbox{report, {{"sandbox_id", report.id.text()}}, nullptr, {}, {}, {}};
  const auto labels = [&](const ContainerId& container) -> const Labels& {
    const auto [known, is_new] = sandbox.by_container.try_emplace(container);
    if (is_new) known->second = container_labels(report.id, container, report.names.get());
    return known->second;
  };
  if (const auto pause = report.id.cri_id()) {
    sandbox.pause = &labels(*pause);
  } else {
    sandbox.without_pause = labels_of(report.id.text(), report.id.text(), {}, {});
  }
  if (report.guest) {
    sandbox.containers.reserve(report.guest->containers.size());
    for (const wire::Container& of : report.guest->containers) sandbox.containers.push_back(&labels(of.id));
  }
  for (const auto& [container, layer] : report.layers) labels(container);
  for (const auto& [container, kills] : report.oom_kills) labels(container);
  for (const EndedContainer& container : report.ended_containers) labels(container.last->id);
  if (!report.account) return sandbox;
  for (const auto& [container, costs] : report.account->container_costs) labels(container);
  return sandbox;
}

}  // namespace

Labels container_labels(const SandboxId& sandbox, const ContainerId& container, const SandboxNames* names) {
  static const SandboxNames unknown;
  static const SandboxNames::Container nameless;
  const SandboxNames& of_sandbox = names != nullptr ? *names : unknown;
  const auto found = of_sandbox.containers.find(container);
  return labels_of(sandbox.text(), container.hex(), found != of_sandbox.containers.end() ? found->second : nameless,
                   of_sandbox);
}

LabelledReport::LabelledReport(const NodeReport& report) : node_(report) {
  sandboxes_.reserve(report.sandboxes.size());
  for (const bool ended : {false, true}) {
    for (const SandboxReport& sandbox : report.sandboxes) {
      if (sandbox.ended == ended) sandboxes_.push_back(with_labels(sandbox));
    }
    if (!ended) living_ = sandboxes_.size();
  }
  for (const LabelledSandbox& sandbox : sandboxes_) {
    for (const EndedContainer& container : sandbox.report.ended_containers) {
      ended_containers_.push_back({container, sandbox.by_container.at(container.last->id)});
    }
  }
}

namespace {

void append_row(std::string& out, const Descriptor& metric) {
  out.append("| `").append(metric.name).append("` | ").append(type_name(metric.type));
  for (const std::string_view cell : {metric.unit, metric.labels, metric.help, metric.source}) {
    out.append(" | ").append(cell);
  }
  out += " |\n";
}

// The metrics of container.def or guest.def. Neighbours with one descriptor are one metric, each with its source.
template <typename Metrics>
void append_values(std::string& out, const Metrics& metrics, std::string_view between_sources, bool of_pod = false) {
  for (auto first = metrics.begin(); first != metrics.end();) {
    const auto last =
        std::find_if(first, metrics.end(), [&](const auto& metric) { return metric.descriptor != first->descriptor; });
    std::string labels(first->shown.label.name);
    if (!first->shown.other_label.empty()) labels.append(", ").append(first->shown.other_label);
    for (const Label& label : first->shown.more_labels) {
      if (!label.name.empty()) labels.append(", ").append(label.name);
    }
    std::string source(first->descriptor->source);
    for (auto next = first + 1; next != last; ++next) {
      if (!next->source.empty()) source.append(between_sources).append(next->source);
    }
    if (first->shown.rule == Shown::Rule::limit_beside) source += "; 0: none";
    Descriptor row = *first->descriptor;
    row.labels = labels;
    row.source = source;
    if (!row.name.empty() && first->shown.of_pod == of_pod) append_row(out, row);
    first = last;
  }
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
  append_values(out, metric::of_container, ", ");
  append_rows(out, container_group);
  for (const MetricGroup* group :
       {&network_group, &guest_group, &accounting_group, &process_group, &node_group, &own_group, &registry_group}) {
    append_head(out, *group);
    append_rows(out, *group);
    if (group == &network_group) append_values(out, metric::of_guest, "; ", true);
    if (group == &guest_group) append_values(out, metric::of_guest, "; ");
  }
  return out;
}

}  // namespace katameter::host
