#include "host-probe/exposition/container_labels.h"

namespace katameter {

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

}  // namespace katameter
