#include "userspace/bpf/progress.h"

#include <algorithm>

namespace katameter {
namespace {

constexpr std::uint64_t word_bits = 64;

__u64& word_of(progress& progress, std::uint64_t sequence) {
  return progress.settled[sequence % REMOVED_KEPT / word_bits];
}
std::uint64_t bit_of(std::uint64_t sequence) {
  return std::uint64_t{1} << sequence % word_bits;
}

void move_on(progress& progress) {
  ++progress.removals_settled;
  word_of(progress, progress.removals_settled) &= ~bit_of(progress.removals_settled);
}

}  // namespace

SequenceRange take_removals(progress& progress, std::uint64_t written) {
  SequenceRange range{progress.removals_taken + 1, written};
  if (written > REMOVED_KEPT && range.first <= written - REMOVED_KEPT) {
    progress.removals_lost += written - REMOVED_KEPT - range.first + 1;
    range.first = written - REMOVED_KEPT + 1;
  }
  progress.removals_taken = written;
  // What the ring no longer has cannot be read again after a restart.
  while (written - progress.removals_settled > REMOVED_KEPT) move_on(progress);
  return range;
}

SequenceRange replay_removals(progress& progress, std::uint64_t written) {
  if (written > REMOVED_KEPT) {
    const std::uint64_t overwritten = std::min<std::uint64_t>(progress.removals_taken, written - REMOVED_KEPT);
    progress.removals_lost += unsettled_removals(progress, {progress.removals_settled + 1, overwritten});
  }
  SequenceRange range = take_removals(progress, written);
  range.first = progress.removals_settled + 1;
  return range;
}

std::uint64_t unsettled_removals(const progress& progress, SequenceRange range) {
  std::uint64_t unsettled = 0;
  for (std::uint64_t sequence = range.first; sequence <= range.last; ++sequence) {
    if (!is_settled(progress, sequence)) ++unsettled;
  }
  return unsettled;
}

bool is_settled(const progress& progress, std::uint64_t sequence) {
  if (sequence <= progress.removals_settled) return true;
  return (progress.settled[sequence % REMOVED_KEPT / word_bits] & bit_of(sequence)) != 0;
}

void settle_removals(progress& progress, std::span<const std::uint64_t> sequences) {
  for (const std::uint64_t sequence : sequences) {
    if (sequence > progress.removals_settled && sequence <= progress.removals_taken) {
      word_of(progress, sequence) |= bit_of(sequence);
    }
  }
  while (progress.removals_settled < progress.removals_taken && is_settled(progress, progress.removals_settled + 1)) {
    move_on(progress);
  }
}

SequenceRange unsettled_events(progress& progress, std::uint64_t written) {
  if (written - progress.events_settled > OOM_KEPT) {
    progress.events_lost += written - OOM_KEPT - progress.events_settled;
    progress.events_settled = written - OOM_KEPT;
  }
  return {progress.events_settled + 1, written};
}

void settle_events(progress& progress, std::uint64_t sequence, std::uint64_t written) {
  progress.events_settled = std::max<std::uint64_t>(progress.events_settled, std::min(sequence, written));
}

}  // namespace katameter
