#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "host-probe/pods/source_thread.h"
#include "userspace/result.h"
#include "userspace/wire/container_id.h"

namespace katameter::host {

/// What the container runtime calls a sandbox and its containers. Each text is fit for a label (label_text()), and
/// empty if it is not known.
struct SandboxNames {
  struct Container {
    std::string name;
    std::string image;
    bool operator==(const Container&) const = default;
  };

  std::string pod_namespace;
  std::string pod;
  std::string uid;                              // of the pod, as the API server has it
  std::string runtime_handler;                  // by which the pod's RuntimeClass names the runtime
  std::string image;                            // of the pause container
  std::map<ContainerId, Container> containers;  // without the pause container
  /// Of a sandbox that is one container and no pod, as Docker and nerdctl make them: that container's name, and `image` is
  /// its image.
  std::string container{};
  /// From a bundle's annotations, which hold less than the runtime knows.
  bool from_bundle = false;

  bool operator==(const SandboxNames&) const = default;
};

/// Sandboxes whose names are asked for, each with those of its containers that have none.
using LookupRequest = std::map<ContainerId, std::set<ContainerId>>;

/// By sandbox. A container's name is only ever found under the sandbox that the runtime says it belongs to: a guest
/// that reports another pod's container gets no name for it.
using NamesBySandbox = std::map<ContainerId, SandboxNames>;

/// A pod that runs, by what the runtime says.
struct RunningPod {
  ContainerId id;
  std::string runtime_handler;
  std::optional<bool> kata;  // whether that handler is one of Kata's, where the runtime's configuration tells it
};

/// Pods of one node under a handler of Kata.
struct KataPods {
  std::size_t running = 0;  // that the runtimes have
  std::size_t found = 0;    // of these, with a sandbox that was found

  bool operator==(const KataPods&) const = default;
};

/// Counts the pods under a handler of Kata. Where the runtime does not tell its kind, that is a handler with "kata" in its
/// name, and one that a pod in `found` has. An empty handler is the runtime's default: then each pod speaks for itself.
KataPods count_kata_pods(const std::vector<RunningPod>& pods, const std::set<ContainerId>& found);

struct LookupResult {
  /// Whatever was found; a sandbox or container that nobody knows is not in it.
  NamesBySandbox sandboxes;
  /// Of all runtimes; nothing if one of them did not answer.
  std::optional<std::vector<RunningPod>> running;
  /// Why no runtime could be asked that may know what is missing.
  std::optional<Error> error;
};

/// Where names come from: the node's container runtime (runtime.h), or a table in tests.
using NameSource = SlowSource<LookupRequest, LookupResult>;

/// Kubernetes allows 253 bytes for a pod; an image with registry, tag and digest may be longer.
inline constexpr std::size_t max_label_bytes = 1024;

/// A name as a label's value: itself, or nothing if it is longer than any real name, not UTF-8 or has control
/// characters in it. Names come from the API server by way of the runtime; one that is broken must not break the
/// exposition.
std::string label_text(std::string_view name);

/// Well-formed UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace katameter::host
