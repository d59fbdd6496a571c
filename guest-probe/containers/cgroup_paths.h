#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/containers/containers.h"

namespace katameter::guest {

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

}  // namespace katameter::guest
