#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bpf/records.h"

namespace katameter {

/// The path of every living cgroup of one hierarchy, by id. Ids are never given twice, so an entry never turns wrong.
class CgroupPaths {
 public:
  /// Replaces all, from the names in the order of a walk.
  void learn(std::span<const name_record> names);

  /// Nothing if the cgroup has not been learned.
  const std::string* find(std::uint64_t id) const;

  std::size_t size() const { return paths_.size(); }

 private:
  std::unordered_map<std::uint64_t, std::string> paths_;
};

}  // namespace katameter
