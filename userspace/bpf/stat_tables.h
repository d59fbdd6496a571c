#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bpf/records.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Pages and events of a memory cgroup and all below it, in the kernel's own order; struct memcg_vmstats.
struct StatArrays {
  std::vector<std::int64_t> pages;
  std::vector<std::int64_t> events;
};

/// The position of each figure of memory.stat (STAT_*) in its array; -1: it is not known.
using StatPlaces = std::array<int, STATS>;

/// Where a kernel keeps the figures of memory.stat, as long as that is to be learned: at start.
class StatTables {
 public:
  /// Programs and map of bpf/stat_learning.bpf.c.
  StatTables(Fd copy_program, Fd place_program, Fd copies)
      : copy_program_(std::move(copy_program)), place_program_(std::move(place_program)), copies_(std::move(copies)) {}

  /// What a cgroup's arrays hold now: what its memory.stat showed, if nothing was flushed since. An error if there is no
  /// such cgroup, or the arrays are larger than a copy.
  Result<StatArrays> read(std::uint64_t cgroup_id) const;

  /// From now on the figures are read at these positions; those of -1 as before.
  Status place(const StatPlaces& places) const;

 private:
  Fd copy_program_;
  Fd place_program_;
  Fd copies_;
};

}  // namespace katameter
