#pragma once

#include <cstdint>
#include <span>

#include "bpf/guest/records.h"

namespace katameter {

/// Sequences from `first` to `last`; none if first > last.
struct SequenceRange {
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

/// The removed_records that have not been read, of `written` there are; they count as read from now on. Those that the
/// ring has overwritten are counted as lost.
SequenceRange take_removals(progress& progress, std::uint64_t written);

/// The same for a guest-probe that has just begun: what an earlier one has read and not settled is read again. What the
/// ring does not have any more of that is counted as lost.
SequenceRange replay_removals(progress& progress, std::uint64_t written);

/// How many of these removed_records are not done with.
std::uint64_t unsettled_removals(const progress& progress, SequenceRange range);

/// Whether a removed_record is done with.
bool is_settled(const progress& progress, std::uint64_t sequence);

/// These removed_records are done with.
void settle_removals(progress& progress, std::span<const std::uint64_t> sequences);

/// The OOM events that the host does not have, of `written` there are. Those overwritten are counted as lost.
SequenceRange unsettled_events(progress& progress, std::uint64_t written);

/// The host has the OOM events up to `sequence`.
void settle_events(progress& progress, std::uint64_t sequence, std::uint64_t written);

}  // namespace katameter
