#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/stat_tables.h"

namespace katameter::guest {

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

/// Finds each figure's position: the only one that held, in every sample so far, what the file showed. A figure of which
/// that cannot be said is left unknown. One that no position fits any more is begun anew with the next sample: what a
/// cgroup counts may change, and change back, while a sample is taken.
class StatLearning {
 public:
  void add(const StatSample& sample);
  StatLesson lesson() const;

 private:
  struct Figure {
    std::bitset<STAT_ROOM> possible;
    bool tried = false;
    bool has_line = true;
    bool counted = false;  // in some sample it was not 0
  };
  bool is_hopeless(std::size_t stat) const;
  bool is_at_place_of_another(std::size_t stat) const;

  std::array<Figure, STATS> figures_;
};

/// In words, for Unlearned other than `learned`.
std::string describe(Unlearned why);

}  // namespace katameter::guest
