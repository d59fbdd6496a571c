#pragma once

#include <map>
#include <set>
#include <string>

#include "userspace/wire/container_id.h"

namespace katameter::host {

/// What the container runtime calls a sandbox and its containers. Each text is fit for a label (label_text.h), and
/// empty if it is not known.
struct SandboxNames {
  struct Container {
    std::string name;
    std::string image;
    bool operator==(const Container&) const = default;
  };

  std::string pod_namespace;
  std::string pod;
  std::string runtime_handler;                  // by which the pod's RuntimeClass names the runtime
  std::string image;                            // of the pause container
  std::map<ContainerId, Container> containers;  // without the pause container
  /// From a bundle's annotations, which hold less than the runtime knows.
  bool from_bundle = false;

  bool operator==(const SandboxNames&) const = default;
};

/// Sandboxes whose names are asked for, each with those of its containers that have none.
using NameQuestion = std::map<ContainerId, std::set<ContainerId>>;

/// By sandbox. A container's name is only ever found under the sandbox that the runtime says it belongs to: a guest
/// that reports another pod's container gets no name for it.
using NamesBySandbox = std::map<ContainerId, SandboxNames>;

}  // namespace katameter::host
