#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bpf/guest/records.h"
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

/// The path of every living container's cgroup in one hierarchy, and of those above it, by id. Ids are never given twice,
/// so an entry never turns wrong.
class CgroupPaths {
 public:
  /// Replaces all, from the names in the order of a walk.
  void learn(std::span<const name_record> names);

  /// Nothing if the cgroup has not been learned.
  const std::string* find(std::uint64_t id) const;

  /// The container whose cgroup it is. Nothing if the cgroup has not been learned, or is not a container's.
  std::optional<ContainerId> container_of(std::uint64_t id) const;

  std::size_t size() const { return learned_.size(); }

 private:
  struct Learned {
    std::string path;
    std::optional<ContainerId> container;
  };
  std::unordered_map<std::uint64_t, Learned> learned_;
};

/// When the cgroups of one hierarchy were made, CLOCK_BOOTTIME in ns. What is known of one never changes.
class StartTimes {
 public:
  /// All names of the hierarchy: takes what the kernel program saw being made, and forgets removed cgroups.
  void learn(std::span<const name_record> names);

  /// For a cgroup that was there before the program: its oldest process began at `ns`. Ignored if it is known.
  void guess(std::uint64_t cgroup_id, std::uint64_t ns);

  /// Also of a cgroup that the last names did not have any more.
  std::optional<std::uint64_t> find(std::uint64_t cgroup_id) const;

 private:
  using Times = std::unordered_map<std::uint64_t, std::uint64_t>;
  Times times_;
  Times before_;
};

}  // namespace katameter::guest
