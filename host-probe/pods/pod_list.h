#pragma once

#include <map>
#include <string>
#include <string_view>

#include "host-probe/pods/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

/// A pod as the API server or kubelet has it, in the API's core/v1. Texts are fit for labels, empty where there is none.
struct ListedPod {
  std::string pod_namespace;                                  // metadata.namespace
  std::string name;                                           // metadata.name
  std::string runtime_class;                                  // spec.runtimeClassName
  std::map<ContainerId, SandboxNames::Container> containers;  // by status.*ContainerStatuses[].containerID

  bool operator==(const ListedPod&) const = default;
};

/// By metadata.uid.
using PodList = std::map<std::string, ListedPod>;

/// Reads a PodList. A container has its name and, from the specification, its image as the pod calls it; one that was
/// started again is there with the id that it had before as well. What is not as the API describes it is left out. An
/// error if the text is not JSON or not a list of pods.
Result<PodList> parse_pod_list(std::string_view text);

/// The handler of each RuntimeClass, by its name. Reads a RuntimeClassList of node.k8s.io/v1; errors as above.
Result<std::map<std::string, std::string>> parse_runtime_classes(std::string_view text);

}  // namespace katameter::host
