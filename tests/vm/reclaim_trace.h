#pragma once

#include <sys/types.h>

#include <cstdint>

namespace katameter::guest {

/// The kernel's own trace (tracefs) of the reclaim that one process does, from construction on.
class ReclaimTrace {
 public:
  explicit ReclaimTrace(pid_t pid);
  ReclaimTrace(const ReclaimTrace&) = delete;
  ReclaimTrace& operator=(const ReclaimTrace&) = delete;
  ~ReclaimTrace();

  struct Stalls {
    std::uint64_t count = 0;
    double seconds = 0;
  };
  /// Stalls that have ended so far; times are to the microsecond.
  Stalls read() const;
};

}  // namespace katameter::guest
