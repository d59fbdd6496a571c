#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bpf/records.h"
#include "guest-probe/containers/containers.h"

namespace katameter {

/// The path of every living cgroup of one hierarchy, and the container that it belongs to, by id. Ids are never given
/// twice, so an entry never turns wrong.
class CgroupPaths {
 public:
  /// Replaces all, from the names in the order of a walk.
  void learn(std::span<const name_record> names);

  /// Nothing if the cgroup has not been learned.
  const std::string* find(std::uint64_t id) const;

  /// Nothing if the cgroup has not been learned, or is the guest system's. Costs a look into a table: a path is taken
  /// apart once, where each snapshot asks for each cgroup several times.
  std::optional<ContainerPlace> container_of(std::uint64_t id) const;

  std::size_t size() const { return learned_.size(); }

 private:
  struct Learned {
    std::string path;
    std::optional<ContainerPlace> place;
  };
  std::unordered_map<std::uint64_t, Learned> learned_;
};

}  // namespace katameter
