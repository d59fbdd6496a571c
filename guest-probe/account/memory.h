#pragma once

#include <cstdint>
#include <span>

#include "bpf/guest/records.h"
#include "guest-probe/account/monotonic_by_cgroup.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Puts the figures of a memory cgroup into a container's row, as far as they are served. `unified`: of cgroup v2, which
/// keeps some figures elsewhere than v1. Exact pages = `stat` + `pending` (mm/memcontrol.c: a CPU flushes at more than
/// 32 pages, to the cgroup and all its ancestors).
void set_memory(wire::Container& row, const memory_record& record, const FigureSet& served, bool unified);

/// Puts the huge pages of a container into its row, as far as they are served: those of each size of which it has had a
/// page, or was refused one.
void set_hugetlb(wire::Container& row, const hugetlb_counts& counts, const FigureSet& served);

/// Puts the pages of a container by NUMA node into its row, as far as they are served.
void set_numa(wire::Container& row, const numa_record& record, const FigureSet& served);

/// Whether nothing was flushed between two walks: the same containers with the same `stat` and `check`. Only then do
/// `stat` and `pending` of the second belong together.
bool walks_agree(std::span<const memory_record> first, std::span<const memory_record> second);

/// Whether it is a counter of the memory controller that cannot be reset.
constexpr bool is_memory_counter(std::size_t figure) {
  const wire::ContainerFigure& row = wire::container_figures[figure];
  const bool rises = row.kind == FigureKind::counter || row.kind == FigureKind::weak_counter;
  return row.group == FigureGroup::memory && rises;
}

/// Keeps these from falling: page faults and OOM kills. Page faults are put together from
/// arrays between which the kernel moves them; where every walk of a collect was disturbed, or a nested cgroup died with
/// its container, some may be missed for a moment. The OOM kills of a nested cgroup go with it (v1) where its removal was
/// not seen.
class MemoryCounters {
 public:
  void begin() { counters_.begin(); }
  /// A living container, whose memory is that of this cgroup.
  void raise(std::uint64_t cgroup_id, wire::Container& row);
  /// One that was removed.
  void raise_removed(std::uint64_t cgroup_id, wire::Container& row) const;

 private:
  static constexpr std::size_t size = figures_where<&is_memory_counter>.size();
  MonotonicByCgroup<size> counters_;
};

/// An OOM record of the kernel as an event for the host; says which container the victim was in.
wire::OomEvent make_oom_event(const oom_record& record);

}  // namespace katameter::guest
