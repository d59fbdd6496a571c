#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "userspace/wire/container_id.h"

namespace katameter::guest {

/// The container that one component of a cgroup path stands for, by the rule of bpf/lib/container.bpf.h: 64 hex digits,
/// alone or as "PREFIX-ID.scope", as runtimes and kata-agent name it; but not "...conmon-ID.scope".
std::optional<ContainerId> container_of_component(std::string_view component);

/// A cgroup's place with regard to containers.
struct ContainerPlace {
  ContainerId id;
  bool nested = false;  ///< a cgroup inside the container's own (systemd or Docker in a container)
};

/// The container that a cgroup belongs to; the outermost one on the path. Nothing: it belongs to the guest system.
std::optional<ContainerPlace> container_of_path(std::string_view path);

/// `text` with every byte that is not printable ASCII replaced by '?': names in the guest may hold anything.
std::string printable(std::string_view text);

}  // namespace katameter::guest
