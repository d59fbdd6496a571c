#include "host-probe/metrics/labelled_report.h"

#include <string>

namespace katameter::host {
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
  if (report.guest) {
    sandbox.containers.reserve(report.guest->containers.size());
    for (const wire::Container& of : report.guest->containers) sandbox.containers.push_back(&labels(of.id));
  }
  for (const auto& [container, kills] : report.oom_kills) labels(container);
  if (!report.account) return sandbox;
  for (const auto& [container, cpu_ns] : report.account->container_cpu_ns) labels(container);
  return sandbox;
}

}  // namespace

Labels container_labels(const ContainerId& sandbox, std::string_view sandbox_hex, const ContainerId& container,
                        const SandboxNames* names) {
  static const SandboxNames unknown;
  static const SandboxNames::Container nameless;
  const SandboxNames& of_sandbox = names != nullptr ? *names : unknown;
  const auto found = of_sandbox.containers.find(container);
  const SandboxNames::Container& of_container = found != of_sandbox.containers.end() ? found->second : nameless;
  const bool is_pause = container == sandbox;
  const std::string container_hex = container.hex();
  std::string id = "/kata/";
  id.append(sandbox_hex).append("/").append(container_hex);
  return {{"id", id},
          {"name", container_hex},
          {"image", is_pause ? of_sandbox.image : of_container.image},
          {"namespace", of_sandbox.pod_namespace},
          {"pod", of_sandbox.pod},
          {"container", is_pause ? nameless.name : of_container.name}};
}

LabelledReport::LabelledReport(const NodeReport& report) : node_(report) {
  sandboxes_.reserve(report.sandboxes.size());
  for (const bool ended : {false, true}) {
    for (const SandboxReport& sandbox : report.sandboxes) {
      if (sandbox.ended == ended) sandboxes_.push_back(with_labels(sandbox));
    }
    if (!ended) living_ = sandboxes_.size();
  }
}

}  // namespace katameter::host
