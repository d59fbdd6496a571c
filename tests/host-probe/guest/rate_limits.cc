#include "host-probe/guest/client.h"

#include <catch2/catch.hpp>
#include <set>

using namespace katameter;
using namespace katameter::host;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

TEST_CASE("each wait is drawn from the upper half of a step that doubles up to its maximum") {
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

TEST_CASE("a token bucket gives a burst, and so many tokens a second") {
  constexpr TokenBucket::Time start{1h};
  TokenBucket bucket(10, 2);
  CHECK(bucket.take(6, start));
  CHECK_FALSE(bucket.take(5, start));
  CHECK(bucket.take(4, start));  // what was refused took nothing
  CHECK_FALSE(bucket.take(1, start + 400ms));
  CHECK(bucket.take(1, start + 500ms));
  CHECK(bucket.take(10, start + 1h));  // never more than the burst
  CHECK_FALSE(bucket.take(1, start + 1h));
  CHECK_FALSE(bucket.take(1, start));  // a clock that goes back gives nothing
}
