#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "host-probe/exposition/families.h"
#include "host-probe/merge/report.h"

namespace katameter {

/// A sandbox of a report with the labels of its series, which are made once for a scrape.
struct LabelledSandbox {
  const SandboxReport& report;
  Labels id;                                   // sandbox_id
  const Labels* pod = nullptr;                 // container_labels.h, of the pause container
  std::vector<const Labels*> containers;       // the same of report.containers, in their order
  std::map<ContainerId, Labels> by_container;  // the same of all that the report tells of
};

/// A report in the form in which it is written down: a metric goes through all sandboxes, then the next one does.
class LabelledReport {
 public:
  /// Does not keep the report, which must outlive it.
  explicit LabelledReport(const NodeReport& report);

  /// Those included that ended a short while ago and are still told of.
  std::span<const LabelledSandbox> all() const { return sandboxes_; }
  std::span<const LabelledSandbox> living() const { return all().first(living_); }

 private:
  std::vector<LabelledSandbox> sandboxes_;  // the living first
  std::size_t living_ = 0;
};

}  // namespace katameter
