#include "host-probe/trust/guest_budget.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace std::chrono_literals;

TEST_CASE("an allowance gives so much at once and so much a second") {
  constexpr Allowance::Time start{1h};
  Allowance allowance(10, 2);
  CHECK(allowance.take(6, start));
  CHECK_FALSE(allowance.take(5, start));
  CHECK(allowance.take(4, start));  // what was refused took nothing
  CHECK_FALSE(allowance.take(1, start + 400ms));
  CHECK(allowance.take(1, start + 500ms));
  CHECK(allowance.take(10, start + 1h));  // never more than at once
  CHECK_FALSE(allowance.take(1, start + 1h));
  CHECK_FALSE(allowance.take(1, start));  // a clock that goes back gives nothing
}
