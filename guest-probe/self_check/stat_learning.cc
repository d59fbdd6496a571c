#include "guest-probe/self_check/stat_learning.h"

#include <algorithm>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {
namespace {

std::bitset<STAT_ROOM> places_of(const StatSample& sample, std::size_t stat) {
  std::bitset<STAT_ROOM> places;
  const auto& array = is_event(stat) ? sample.arrays.events : sample.arrays.pages;
  const auto wanted = static_cast<std::int64_t>(*sample.file[stat]);
  for (std::size_t place = 0; place < std::min<std::size_t>(array.size(), STAT_ROOM); ++place) {
    places[place] = array[place] == wanted;
  }
  return places;
}

}  // namespace

bool StatLearning::is_at_place_of_another(std::size_t stat) const {
  if (figures_[stat].possible.count() != 1) return false;
  for (std::size_t other = 0; other < STATS; ++other) {
    const bool same = other != stat && figures_[other].possible == figures_[stat].possible;
    if (same && is_event(other) == is_event(stat)) return true;
  }
  return false;
}

bool StatLearning::is_hopeless(std::size_t stat) const {
  return figures_[stat].tried && (figures_[stat].possible.none() || is_at_place_of_another(stat));
}

void StatLearning::add(const StatSample& sample) {
  std::array<bool, STATS> again{};
  for (std::size_t stat = 0; stat < STATS; ++stat) again[stat] = is_hopeless(stat);
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    Figure& figure = figures_[stat];
    if (again[stat]) figure = Figure();
    figure.has_line = figure.has_line && sample.file[stat].has_value();
    if (!figure.has_line) continue;
    const std::bitset<STAT_ROOM> places = places_of(sample, stat);
    figure.possible = figure.tried ? figure.possible & places : places;
    figure.tried = true;
    figure.counted = figure.counted || *sample.file[stat] != 0;
  }
}

StatLesson StatLearning::lesson() const {
  StatLesson lesson;
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    const Figure& figure = figures_[stat];
    Unlearned& why = lesson.why[stat];
    lesson.places[stat] = -1;
    if (!figure.has_line) {
      why = Unlearned::no_line;
    } else if (!figure.tried) {
      why = Unlearned::not_tried;
    } else if (!figure.counted) {
      why = Unlearned::always_0;
    } else if (figure.possible.none()) {
      why = Unlearned::nowhere;
    } else if (figure.possible.count() > 1 || is_at_place_of_another(stat)) {
      why = Unlearned::ambiguous;
    } else {
      why = Unlearned::learned;
      while (!figure.possible[static_cast<std::size_t>(++lesson.places[stat])]) {
      }
    }
  }
  return lesson;
}

std::string describe(Unlearned why) {
  switch (why) {
    case Unlearned::learned:
    case Unlearned::not_tried: break;
    case Unlearned::no_line: return "memory.stat does not show it";
    case Unlearned::always_0: return "no cgroup has had any so far";
    case Unlearned::nowhere: return "no position of the kernel's array held what memory.stat showed";
    case Unlearned::ambiguous: return "several positions of the kernel's array held what memory.stat showed";
  }
  return "no cgroup's memory.stat could be read";
}

}  // namespace katameter::guest
