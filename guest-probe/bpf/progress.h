#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <utility>

#include "bpf/guest/records.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

/// Sequences from `first` to `last`; none if first > last.
struct SequenceRange {
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

/// The removed_records that have not been read, of `written` there are; they count as read from now on. Those that the
/// ring has overwritten are counted as lost.
SequenceRange take_removals(progress& progress, std::uint64_t written);

/// The same for a guest-probe that has just begun: what an earlier one has read and not acknowledged is read again. What the
/// ring does not have any more of that is counted as lost.
SequenceRange replay_removals(progress& progress, std::uint64_t written);

/// How many of these removed_records are not done with.
std::uint64_t unacknowledged_removals(const progress& progress, SequenceRange range);

/// Whether a removed_record is done with.
bool is_acknowledged(const progress& progress, std::uint64_t sequence);

/// These removed_records are done with.
void acknowledge_removals(progress& progress, std::span<const std::uint64_t> sequences);

/// The OOM events that the host does not have, of `written` there are. Those overwritten are counted as lost.
SequenceRange unacknowledged_events(progress& progress, std::uint64_t written);

/// The host has the OOM events up to `sequence`.
void acknowledge_events(progress& progress, std::uint64_t sequence, std::uint64_t written);

/// The state_record (bpf/guest/records.h) in its map. It outlives guest-probe where the map is pinned.
class PersistentState {
 public:
  PersistentState() = default;
  /// Maps it; a new one, all zeros, begins at `now_ns` (CLOCK_BOOTTIME).
  static Result<PersistentState> map(const Fd& map, std::uint64_t now_ns);

  const progress& get() const { return record().progress[record().current & 1]; }

  /// Lets `change` work on a copy and makes that the current one; its result. guest-probe may be killed at any moment:
  /// the change is there as a whole or not at all. No system call.
  template <typename Change>
  auto update(Change change) {
    state_record& state = record();
    const __u32 next = 1 - (state.current & 1);
    state.progress[next] = get();
    auto result = change(state.progress[next]);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    *const_cast<volatile __u32*>(&state.current) = next;
    return result;
  }

 private:
  explicit PersistentState(Mapping mapping) : mapping_(std::move(mapping)) {}
  const state_record& record() const { return *reinterpret_cast<const state_record*>(mapping_.data()); }
  state_record& record() { return *reinterpret_cast<state_record*>(mapping_.data()); }

  Mapping mapping_;
};

}  // namespace katameter::guest
