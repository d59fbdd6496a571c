#include "host-probe/transport/backoff.h"

#include <catch2/catch.hpp>
#include <set>

using katameter::Backoff;
using std::chrono::milliseconds;

TEST_CASE("each wait is drawn from the upper half of a step that doubles up to the longest") {
  Backoff backoff(milliseconds(100), milliseconds(1000), 1);
  for (const int step : {100, 200, 400, 800, 1000, 1000, 1000}) {
    const auto wait = backoff.next();
    CHECK(wait >= milliseconds(step / 2));
    CHECK(wait <= milliseconds(step));
  }
}

TEST_CASE("after a success the waits begin again") {
  Backoff backoff(milliseconds(100), milliseconds(60'000), 1);
  for (int i = 0; i < 8; ++i) backoff.next();
  CHECK(backoff.next() > milliseconds(100));
  backoff.reset();
  CHECK(backoff.next() <= milliseconds(100));
}

TEST_CASE("sandboxes do not come back in the same moment") {
  std::set<milliseconds> waits;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    waits.insert(Backoff(milliseconds(10'000), milliseconds(10'000), seed).next());
  }
  CHECK(waits.size() > 15);
}
