#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/iterator.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

/// Pages and events of a memory cgroup and all below it, in the kernel's own order; struct memcg_vmstats.
struct StatArrays {
  std::vector<std::int64_t> pages;
  std::vector<std::int64_t> events;
};

/// The index of each figure of memory.stat (STAT_*), and of what is added to one (ITEM_*), in its array; -1: it is not
/// known.
using StatIndices = std::array<int, STAT_ITEMS>;

/// For each SPAN_*, which indices a program reads at once: the first << 32 | how many; 0 where they lie too far apart, or
/// none is known. Pure.
std::array<std::uint64_t, SPANS> spans_of(const StatIndices& indices);

/// Where the programs read the figures of memory.stat: the map stat_index. No system call, once it is mapped.
class StatIndexMap {
 public:
  static Result<StatIndexMap> map(const Fd& map);

  StatIndices get() const;

  /// From now on the figures are read at these indices; those of -1 are not read. The programs may run meanwhile.
  void set(const StatIndices& indices);

 private:
  explicit StatIndexMap(Mapping mapping) : mapping_(std::move(mapping)) {}

  Mapping mapping_;
};

/// Copies of what memory cgroups keep, as long as the index of a figure is to be resolved (bpf/guest/memory_stat.bpf.c).
class StatTables {
 public:
  /// `copies`: the map that the program writes.
  static Result<StatTables> map(IterProgram copy_program, const Fd& copies);

  /// What a cgroup's arrays hold now: what its memory.stat showed, if nothing was flushed since. An error if there is no
  /// such cgroup, or the arrays are larger than a copy. Takes no capability where the program is pinned.
  Result<StatArrays> read(Requests& requests, std::uint64_t cgroup_id);

  /// As IterProgram::close().
  void close_iterator() { copy_program_.close(); }

 private:
  StatTables(IterProgram copy_program, Mapping copies)
      : copy_program_(std::move(copy_program)), copies_(std::move(copies)) {}

  IterProgram copy_program_;
  Mapping copies_;
};

}  // namespace katameter::guest
