#pragma once

#include <cstdint>
#include <unordered_map>

#include "guest-probe/account/memory_account.h"

namespace katameter {

/// Keeps page faults and OOM kills from going back. Page faults are put together from arrays between which the kernel
/// moves them; where every walk of a collect was disturbed, or a nested cgroup died with its container, some may be
/// missed for a moment. The OOM kills of a nested cgroup go with it (v1) where its removal was not seen.
class RisingFaults {
 public:
  /// Before the living cgroups of a snapshot are put to keep(): forgets those that the last one did not have.
  void begin();
  /// A living cgroup's figures, raised to the last ones if they are below.
  void keep(ContainerMemory& memory);
  /// The last record of a removed cgroup, likewise.
  void keep(std::uint64_t cgroup_id, memory_record& removed) const;

 private:
  struct Faults {
    std::uint64_t all = 0;
    std::uint64_t major = 0;
    std::uint64_t oom_kills = 0;
  };
  std::unordered_map<std::uint64_t, Faults> last_;
  std::unordered_map<std::uint64_t, Faults> now_;
};

}  // namespace katameter
