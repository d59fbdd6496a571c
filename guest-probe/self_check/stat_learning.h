#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "userspace/bpf/guest_programs.h"
#include "userspace/bpf/stat_tables.h"
#include "userspace/result.h"

namespace katameter {

/// What memory.stat of one cgroup showed, in pages or events, and what its arrays held at that moment.
struct StatSample {
  std::array<std::optional<std::uint64_t>, STATS> file;  ///< no value: the file has no such line
  StatArrays arrays;
};

/// Why a figure's position was not learned.
enum class Unlearned {
  not_tried,
  learned,
  no_line,    ///< memory.stat does not show it
  always_0,   ///< in no sample was anything counted: most positions hold a 0
  nowhere,    ///< no position held in each sample what the file showed
  ambiguous,  ///< several positions did, or another figure's is the same
};

struct StatLesson {
  StatPlaces places{};
  std::array<Unlearned, STATS> why{};
};

/// Finds each figure's position: the only one that holds, in every sample, what the file showed. A figure of which that
/// cannot be said is left unknown. Pure.
StatLesson learn_places(std::span<const StatSample> samples);

/// In words, for Unlearned other than `learned`.
std::string describe(Unlearned why);

/// Compares a cgroup of our own, the root and some others below it with their memory.stat, and has the figures that
/// were not found before read where they turn out to be; again, where one was nowhere or at several places. `mount`: of
/// the memory controller. Some 10 ms each time. What was not learned, and why; the figures that were known before are
/// `learned` as well.
Result<std::array<Unlearned, STATS>> learn_stats(GuestPrograms& programs, const std::string& mount, bool unified);

}  // namespace katameter
