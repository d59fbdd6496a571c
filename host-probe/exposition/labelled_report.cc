#include "host-probe/exposition/labelled_report.h"

#include "host-probe/exposition/container_labels.h"

namespace katameter {
namespace {

LabelledSandbox with_labels(const SandboxReport& report) {
  const std::string id = report.id.hex();
  LabelledSandbox sandbox{report, {{"sandbox_id", id}}, nullptr, {}, {}};
  const auto labels = [&](const ContainerId& container) -> const Labels& {
    const auto [known, is_new] = sandbox.by_container.try_emplace(container);
    if (is_new) known->second = container_labels(report.id, id, container, report.names.get());
    return known->second;
  };
  sandbox.pod = &labels(report.id);
  sandbox.containers.reserve(report.containers.size());
  for (const wire::Container& container : report.containers) sandbox.containers.push_back(&labels(container.id));
  for (const auto& [container, kills] : report.oom_kills) labels(container);
  if (!report.account) return sandbox;
  for (const auto& [container, cpu_ns] : report.account->container_cpu_ns) labels(container);
  return sandbox;
}

}  // namespace

LabelledReport::LabelledReport(const NodeReport& report) {
  sandboxes_.reserve(report.sandboxes.size());
  for (const bool ended : {false, true}) {
    for (const SandboxReport& sandbox : report.sandboxes) {
      if (sandbox.ended == ended) sandboxes_.push_back(with_labels(sandbox));
    }
    if (!ended) living_ = sandboxes_.size();
  }
}

}  // namespace katameter
