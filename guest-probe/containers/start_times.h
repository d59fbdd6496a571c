#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "bpf/guest/records.h"

namespace katameter::guest {

/// When the cgroups of one hierarchy were made, CLOCK_BOOTTIME in ns. What is known of one never changes.
class StartTimes {
 public:
  /// All names of the hierarchy: takes what the kernel program saw being made, and forgets what is no more.
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
