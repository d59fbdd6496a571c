#include "guest-probe/bpf/progress.h"

#include <unistd.h>

#include <algorithm>

namespace katameter::guest {
namespace {

constexpr std::uint64_t word_bits = 64;

__u64& word_of(progress& progress, std::uint64_t sequence) {
  return progress.acknowledged[sequence % REMOVED_SLOTS / word_bits];
}
std::uint64_t bit_of(std::uint64_t sequence) {
  return std::uint64_t{1} << sequence % word_bits;
}

void move_on(progress& progress) {
  ++progress.removals_acknowledged;
  word_of(progress, progress.removals_acknowledged) &= ~bit_of(progress.removals_acknowledged);
}

}  // namespace

SequenceRange take_removals(progress& progress, std::uint64_t written) {
  SequenceRange range{progress.removals_taken + 1, written};
  if (written > REMOVED_SLOTS && range.first <= written - REMOVED_SLOTS) {
    progress.removals_lost += written - REMOVED_SLOTS - range.first + 1;
    range.first = written - REMOVED_SLOTS + 1;
  }
  progress.removals_taken = written;
  // What the ring no longer has cannot be read again after a restart.
  while (written - progress.removals_acknowledged > REMOVED_SLOTS) move_on(progress);
  return range;
}

SequenceRange replay_removals(progress& progress, std::uint64_t written) {
  if (written > REMOVED_SLOTS) {
    const std::uint64_t overwritten = std::min<std::uint64_t>(progress.removals_taken, written - REMOVED_SLOTS);
    progress.removals_lost += unacknowledged_removals(progress, {progress.removals_acknowledged + 1, overwritten});
  }
  SequenceRange range = take_removals(progress, written);
  range.first = progress.removals_acknowledged + 1;
  return range;
}

std::uint64_t unacknowledged_removals(const progress& progress, SequenceRange range) {
  std::uint64_t unacknowledged = 0;
  for (std::uint64_t sequence = range.first; sequence <= range.last; ++sequence) {
    if (!is_acknowledged(progress, sequence)) ++unacknowledged;
  }
  return unacknowledged;
}

bool is_acknowledged(const progress& progress, std::uint64_t sequence) {
  if (sequence <= progress.removals_acknowledged) return true;
  return (progress.acknowledged[sequence % REMOVED_SLOTS / word_bits] & bit_of(sequence)) != 0;
}

void acknowledge_removals(progress& progress, std::span<const std::uint64_t> sequences) {
  for (const std::uint64_t sequence : sequences) {
    if (sequence > progress.removals_acknowledged && sequence <= progress.removals_taken) {
      word_of(progress, sequence) |= bit_of(sequence);
    }
  }
  while (progress.removals_acknowledged < progress.removals_taken &&
         is_acknowledged(progress, progress.removals_acknowledged + 1)) {
    move_on(progress);
  }
}

SequenceRange unacknowledged_events(progress& progress, std::uint64_t written) {
  if (written - progress.events_acknowledged > OOM_SLOTS) {
    progress.events_lost += written - OOM_SLOTS - progress.events_acknowledged;
    progress.events_acknowledged = written - OOM_SLOTS;
  }
  return {progress.events_acknowledged + 1, written};
}

void acknowledge_events(progress& progress, std::uint64_t sequence, std::uint64_t written) {
  progress.events_acknowledged = std::max<std::uint64_t>(progress.events_acknowledged, std::min(sequence, written));
}

Result<PersistentState> PersistentState::map(const Fd& map, std::uint64_t now_ns) {
  static_assert(sizeof(state_record) <= 4096);
  Result<Mapping> mapping = Mapping::writable(map, static_cast<std::size_t>(getpagesize()));
  if (!mapping) return failure_from(mapping.error());
  PersistentState state(*std::move(mapping));
  if (state.get().instance_ns == 0) {
    state.update([&](progress& progress) {
      progress.instance_ns = now_ns;
      return true;
    });
  }
  return state;
}

}  // namespace katameter::guest
