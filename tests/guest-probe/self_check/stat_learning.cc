#include "guest-probe/self_check/stat_learning.h"

#include <catch2/catch.hpp>

using namespace katameter;

namespace {

// Where a kernel might keep them: in the arrays' own order, with others between.
constexpr StatPlaces places{9, 11, 2, 3, 10, 20, 21, 5, 6};

bool is_event(std::size_t stat) {
  return stat >= STAT_FAULTS;
}

// One cgroup: each figure is `values` at its place; the other positions hold `noise` and what follows it.
StatSample sample_of(const std::array<std::uint64_t, STATS>& values, std::int64_t noise, std::size_t shift = 0) {
  StatSample sample;
  sample.arrays.pages.resize(40);
  sample.arrays.events.resize(20);
  for (std::int64_t& item : sample.arrays.pages) item = noise++;
  for (std::int64_t& item : sample.arrays.events) item = noise++;
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    auto& array = is_event(stat) ? sample.arrays.events : sample.arrays.pages;
    array[static_cast<std::size_t>(places[stat]) + shift] = static_cast<std::int64_t>(values[stat]);
    sample.file[stat] = values[stat];
  }
  return sample;
}

std::vector<StatSample> sample_of_three(std::size_t shift = 0) {
  return {sample_of({900, 800, 700, 600, 500, 400, 300, 200, 100}, 10'000, shift),
          sample_of({128, 45, 0, 0, 32, 0, 21, 190, 0}, 20'000, shift),
          sample_of({128, 45, 0, 0, 32, 0, 21, 191, 0}, 30'000, shift)};
}

}  // namespace

TEST_CASE("Each figure is learned where it is, wherever that is") {
  for (const std::size_t shift : {0u, 1u, 7u}) {
    const StatLesson lesson = learn_places(sample_of_three(shift));
    for (std::size_t stat = 0; stat < STATS; ++stat) {
      INFO(stat);
      CHECK(lesson.why[stat] == Unlearned::learned);
      CHECK(lesson.places[stat] == places[stat] + static_cast<int>(shift));
    }
  }
}

TEST_CASE("A figure that another position equals in every sample is not learned") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) sample.arrays.pages[33] = sample.arrays.pages[places[STAT_FILE]];
  StatLesson lesson = learn_places(samples);
  CHECK(lesson.why[STAT_FILE] == Unlearned::ambiguous);
  CHECK(lesson.places[STAT_FILE] == -1);
  CHECK(lesson.places[STAT_ANON] == places[STAT_ANON]);

  samples[1].arrays.pages[33]++;  // one sample that tells them apart is enough
  lesson = learn_places(samples);
  CHECK(lesson.why[STAT_FILE] == Unlearned::learned);
  CHECK(lesson.places[STAT_FILE] == places[STAT_FILE]);
}

TEST_CASE("Two figures that turn out to be at one position are both not learned") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) {
    sample.file[STAT_MAPPED_FILE] = sample.file[STAT_FILE];
    sample.arrays.pages[static_cast<std::size_t>(places[STAT_MAPPED_FILE])] = -1;
  }
  const StatLesson lesson = learn_places(samples);
  CHECK(lesson.why[STAT_FILE] == Unlearned::ambiguous);
  CHECK(lesson.why[STAT_MAPPED_FILE] == Unlearned::ambiguous);
  CHECK(lesson.places[STAT_FILE] == -1);
  CHECK(lesson.places[STAT_MAPPED_FILE] == -1);
}

TEST_CASE("A figure that is 0 everywhere, nowhere, or not shown is not learned, and it is said which") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) {
    sample.file[STAT_SWAP] = 0;
    sample.arrays.pages[static_cast<std::size_t>(places[STAT_SWAP])] = 0;
    sample.file[STAT_KERNEL].reset();
    *sample.file[STAT_ANON] += 1;
  }
  const StatLesson lesson = learn_places(samples);
  CHECK(lesson.why[STAT_SWAP] == Unlearned::always_0);
  CHECK(lesson.why[STAT_KERNEL] == Unlearned::no_line);
  CHECK(lesson.why[STAT_ANON] == Unlearned::nowhere);
  for (const int stat : {STAT_SWAP, STAT_KERNEL, STAT_ANON}) {
    CHECK(lesson.places[static_cast<std::size_t>(stat)] == -1);
    CHECK_FALSE(describe(lesson.why[static_cast<std::size_t>(stat)]).empty());
  }
  CHECK(lesson.places[STAT_FAULTS] == places[STAT_FAULTS]);
}

TEST_CASE("Pages are not looked for among events, nor beyond the arrays' end; without samples nothing is learned") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) {
    std::swap(sample.arrays.pages[static_cast<std::size_t>(places[STAT_KERNEL])], sample.arrays.events[9]);
    sample.arrays.events.resize(static_cast<std::size_t>(places[STAT_MAJOR_FAULTS]));
  }
  const StatLesson lesson = learn_places(samples);
  CHECK(lesson.why[STAT_KERNEL] == Unlearned::nowhere);
  CHECK(lesson.why[STAT_MAJOR_FAULTS] == Unlearned::nowhere);
  CHECK(lesson.why[STAT_FAULTS] == Unlearned::learned);

  const StatLesson nothing = learn_places({});
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    CHECK(nothing.why[stat] == Unlearned::no_line);
    CHECK(nothing.places[stat] == -1);
  }
}
