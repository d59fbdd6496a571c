#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "host-probe/metrics/text_writer.h"
#include "host-probe/node/report.h"

namespace katameter::host {

/// The six labels that kubelet's cAdvisor gives a container, `id`, `name`, `image`, `namespace`, `pod` and `container`,
/// each empty while it is unknown. `name` is the container's id; `id` is `/kata/<sandbox>/<container>`: the host has no
/// cgroup of the container, and the guest's path is not trusted. The pause container, whose id is the sandbox's, stands
/// for the pod and has no name. `sandbox_hex` is sandbox.hex(); `names` may be null.
Labels container_labels(const ContainerId& sandbox, std::string_view sandbox_hex, const ContainerId& container,
                        const SandboxNames* names);

/// A sandbox of a report with the labels of its series, which are made once for a scrape.
struct LabelledSandbox {
  const SandboxReport& report;
  Labels id;                                   // sandbox_id
  const Labels* pod = nullptr;                 // container_labels() of the pause container
  std::vector<const Labels*> containers;       // the same of report.guest->containers, in their order
  std::map<ContainerId, Labels> by_container;  // the same of all containers in the report
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

 private:
  const NodeReport& node_;
  std::vector<LabelledSandbox> sandboxes_;  // the living first
  std::size_t living_ = 0;
};

}  // namespace katameter::host
