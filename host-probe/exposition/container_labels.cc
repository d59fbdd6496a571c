#include "host-probe/exposition/container_labels.h"

namespace katameter {

Labels container_labels(const ContainerId& sandbox, const ContainerId& container, const SandboxNames* names) {
  static const SandboxNames unknown;
  const SandboxNames& of_sandbox = names != nullptr ? *names : unknown;
  SandboxNames::Container of_container;
  if (container == sandbox) {
    of_container.image = of_sandbox.image;
  } else if (const auto found = of_sandbox.containers.find(container); found != of_sandbox.containers.end()) {
    of_container = found->second;
  }
  const std::string container_hex = container.hex();
  return {{"id", "/kata/" + sandbox.hex() + "/" + container_hex},
          {"name", container_hex},
          {"image", of_container.image},
          {"namespace", of_sandbox.pod_namespace},
          {"pod", of_sandbox.pod},
          {"container", of_container.name}};
}

}  // namespace katameter
