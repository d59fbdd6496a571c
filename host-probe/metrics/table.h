#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host-probe/metrics/text_writer.h"
#include "host-probe/node/report.h"

// The table of metrics: each is one row, from which the exposition and docs/metrics.md are written.
namespace katameter::host {

/// The six labels that kubelet's cAdvisor gives a container, `id`, `name`, `image`, `namespace`, `pod` and `container`,
/// each empty while it is unknown. `name` is the container's id; `id` is `/kata/<sandbox>/<container>`: the host has no
/// cgroup of the container, and the guest's path is not trusted. The pause container, whose id is the sandbox's, stands
/// for the pod and has no name; a sandbox that is one container has that one's. `names` may be null.
Labels container_labels(const SandboxId& sandbox, const ContainerId& container, const SandboxNames* names);

/// A sandbox of a report with the labels of its series, which are made once for a scrape.
struct LabelledSandbox {
  const SandboxReport& report;
  Labels id;                                   // sandbox_id
  const Labels* pause = nullptr;               // container_labels() of the pause container; null where there is none
  Labels without_pause;                        // the same for a sandbox whose id no CRI runtime made
  std::vector<const Labels*> containers;       // the same of report.guest->containers, in their order
  std::map<ContainerId, Labels> by_container;  // the same of all containers in the report

  /// The labels of what belongs to the sandbox as a whole and has a container's labels.
  const Labels& pod() const { return pause != nullptr ? *pause : without_pause; }
};

/// A container that ended a short while ago, in a living sandbox or in one that ended with it.
struct LabelledEnded {
  const EndedContainer& container;
  const Labels& labels;  // container_labels()
};

/// A report in the form in which it is written down: a metric goes through all sandboxes, then the next one does.
class LabelledReport {
 public:
  /// Does not keep the report, which must outlive it.
  explicit LabelledReport(const NodeReport& report);

  const NodeReport& node() const { return node_; }
  /// Includes those that ended a short while ago and are still reported.
  std::span<const LabelledSandbox> all() const { return sandboxes_; }
  std::span<const LabelledSandbox> living() const { return all().first(living_); }
  /// What never falls is reported of them: counters. Other values would stand beside those of a container's successor.
  std::span<const LabelledEnded> ended_containers() const { return ended_containers_; }

 private:
  const NodeReport& node_;
  std::vector<LabelledSandbox> sandboxes_;  // the living first
  std::size_t living_ = 0;
  std::vector<LabelledEnded> ended_containers_;
};

/// The value of one series; nothing: there is no such series.
using Value = std::optional<double>;

inline Value number(const std::optional<std::uint64_t>& value) {
  return value ? Value(static_cast<double>(*value)) : std::nullopt;
}

inline double seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

/// The label that distinguishes a shared cost from others of the same metric: that of the host's metric which is divided.
constexpr Label label_of(SharedCost cost) {
  switch (cost) {
    case SharedCost::workload_cpu: return {"component", "workload"};
    case SharedCost::virtiofsd_cpu: return {"component", "virtiofsd"};
    case SharedCost::virtiofsd_reads:
    case SharedCost::virtiofsd_writes: return {"role", "virtiofsd"};
    case SharedCost::vmm_reads:
    case SharedCost::vmm_writes: break;
  }
  return {"role", "vmm"};
}

/// CPU time in seconds, else bytes.
inline Value value_of(const SharedCosts& costs, SharedCost cost) {
  const std::optional<std::uint64_t> value = at(costs, cost);
  const bool is_time = cost == SharedCost::workload_cpu || cost == SharedCost::virtiofsd_cpu;
  return value && is_time ? Value(seconds(*value)) : number(value);
}

/// Writes the series of one metric.
class SeriesWriter {
 public:
  /// `report` is null where no report came in time.
  SeriesWriter(TextWriter& writer, const Descriptor& metric, const LabelledReport* report)
      : writer_(writer), metric_(metric), report_(report) {}

  bool has_report() const { return report_ != nullptr; }
  const LabelledReport& report() const { return *report_; }

  void add(const Labels& labels, double value) { writer_.add(metric_, labels, value); }
  void add(const Labels& labels, const Labels& further, double value, std::string_view suffix = {}) {
    writer_.add(metric_, labels, further, value, suffix);
  }

  /// One series for each living sandbox, with the label `sandbox_id` and the further ones. `value` takes a
  /// SandboxReport and returns a Value.
  template <typename ValueOf>
  void each_sandbox(const Labels& further, const ValueOf& value) {
    for (const LabelledSandbox& sandbox : report().living()) {
      if (const Value of = value(sandbox.report)) add(sandbox.id, further, *of);
    }
  }
  template <typename ValueOf>
  void each_sandbox(const ValueOf& value) {
    each_sandbox({}, value);
  }

  /// The same once for each value of a label: `value` takes a SandboxReport and the member.
  template <typename Member, typename ValueOf>
  void each_sandbox(std::string_view label, std::initializer_list<std::pair<std::string_view, Member>> members,
                    const ValueOf& value) {
    for (const auto& [text, member] : members) {
      each_sandbox({{label, text}}, [&value, of = member](const SandboxReport& report) { return value(report, of); });
    }
  }

 private:
  TextWriter& writer_;
  const Descriptor& metric_;
  const LabelledReport* report_;
};

/// The `device` label of a block device of a guest, whose own names of its devices are not known.
inline std::string device_name(std::uint32_t major, std::uint32_t minor) {
  return "/dev/block/" + std::to_string(major) + ":" + std::to_string(minor);
}

/// Labels of a metric's series, made once for each value of `Key` and not for each series: most guests of a node have
/// the same devices and interfaces.
template <typename Key>
class SharedLabels {
 public:
  template <typename Make>
  const Labels& of(const Key& key, const Make& make) {
    const auto [known, is_new] = labels_.try_emplace(key);
    if (is_new) known->second = make();
    return known->second;
  }

 private:
  std::map<Key, Labels> labels_;
};

struct MetricRow {
  Descriptor metric;
  void (*write)(SeriesWriter&) = nullptr;  ///< null: a Registry of prometheus-cpp writes it
};

/// Metrics of one subject, as a section of docs/metrics.md has them.
struct MetricGroup {
  std::string_view title;
  std::string_view about;  ///< ends with the labels that all have, in backquotes
  std::span<const MetricRow> rows;
};

/// Of a container, beside those that are one value of its snapshot: block I/O by device, and what only the host knows.
extern const MetricGroup container_group;
/// Network by interface, on the row of the pause container.
extern const MetricGroup network_group;
/// A guest as a whole, beside what is one value of its snapshot: whether it answers, OOM kills, CPU time by owner, block
/// devices.
extern const MetricGroup guest_group;
/// CPU time and memory of the host by component, in which all of a sandbox's cost is once.
extern const MetricGroup accounting_group;
/// The processes of a sandbox on the host by role.
extern const MetricGroup process_group;
/// The node and its scrape.
extern const MetricGroup node_group;
/// host-probe itself; served where no report came, too.
extern const MetricGroup own_group;
/// What host-probe does, in a Registry (own_metrics/own_metrics.h).
extern const MetricGroup registry_group;

/// Every metric that host-probe serves, with type, unit, labels, help and source: docs/metrics.md.
std::string catalogue_markdown();

}  // namespace katameter::host
