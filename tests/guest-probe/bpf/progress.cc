#include "guest-probe/bpf/progress.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace katameter;
using namespace katameter::guest;

namespace {

void acknowledge(progress& progress, std::vector<std::uint64_t> sequences) {
  acknowledge_removals(progress, sequences);
}

}  // namespace

TEST_CASE("Removals are taken once, and acknowledged in any order") {
  progress progress{};
  SequenceRange range = take_removals(progress, 5);
  CHECK(range.first == 1);
  CHECK(range.last == 5);
  range = take_removals(progress, 5);
  CHECK(range.first > range.last);

  acknowledge(progress, {2, 4});
  CHECK(progress.removals_acknowledged == 0);
  CHECK(is_acknowledged(progress, 2));
  CHECK_FALSE(is_acknowledged(progress, 3));
  acknowledge(progress, {1});
  CHECK(progress.removals_acknowledged == 2);
  acknowledge(progress, {3, 5});
  CHECK(progress.removals_acknowledged == 5);
  for (const auto word : progress.acknowledged) CHECK(word == 0);  // the bits are free for the next round of the ring
}

TEST_CASE("What was not taken cannot be acknowledged, and nothing is acknowledged twice") {
  progress progress{};
  take_removals(progress, 2);
  acknowledge(progress, {7, 1, 1});
  CHECK(progress.removals_acknowledged == 1);
  take_removals(progress, 10);
  CHECK_FALSE(is_acknowledged(progress, 7));
}

TEST_CASE("A ring that went over its end loses the oldest, and counts them") {
  progress progress{};
  take_removals(progress, 10);
  acknowledge(progress, {1, 3});
  const SequenceRange range = take_removals(progress, REMOVED_SLOTS + 40);
  CHECK(range.first == 41);
  CHECK(range.last == REMOVED_SLOTS + 40);
  CHECK(progress.removals_lost == 30);
  // 2 was taken and not acknowledged: it cannot be read again. Its place in the ring is that of a new one.
  CHECK(progress.removals_acknowledged == 40);
  CHECK_FALSE(is_acknowledged(progress, REMOVED_SLOTS + 3));
}

TEST_CASE("A new guest-probe reads again what was taken and not acknowledged") {
  progress progress{};
  take_removals(progress, 5);
  acknowledge(progress, {1, 3});
  const SequenceRange range = replay_removals(progress, 7);
  CHECK(range.first == 2);
  CHECK(range.last == 7);
  CHECK(unacknowledged_removals(progress, range) == 5);  // 3 is done with
  CHECK(progress.removals_taken == 7);
  CHECK(progress.removals_lost == 0);
}

TEST_CASE("What was overwritten before a new guest-probe could read it again is lost") {
  progress progress{};
  take_removals(progress, 5);
  acknowledge(progress, {1, 3});
  const SequenceRange range = replay_removals(progress, REMOVED_SLOTS + 10);
  CHECK(range.first == 11);
  CHECK(progress.removals_lost == 8);  // 2, 4, 5 were taken, 6 to 10 were not
  CHECK(unacknowledged_removals(progress, range) == REMOVED_SLOTS);
}

TEST_CASE("OOM events wait for the host as long as there is room") {
  progress progress{};
  SequenceRange range = unacknowledged_events(progress, 3);
  CHECK(range.first == 1);
  acknowledge_events(progress, 2, 3);
  acknowledge_events(progress, 1, 3);  // late
  CHECK(unacknowledged_events(progress, 3).first == 3);
  acknowledge_events(progress, 99, 3);  // a host that says nonsense
  CHECK(progress.events_acknowledged == 3);
  range = unacknowledged_events(progress, 3 + OOM_SLOTS + 5);
  CHECK(range.first == 9);
  CHECK(progress.events_lost == 5);
}
