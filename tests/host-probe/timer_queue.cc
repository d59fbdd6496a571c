#include "host-probe/timer_queue.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/loop.h"

using namespace std::chrono_literals;
using katameter::host::TimerQueue;

TEST_CASE("timers fire in the order of their times, each once") {
  katameter::host::testing::Loop loop;
  std::string fired;
  // So far apart that the order holds when the process has to wait between two of them.
  const auto late = loop.timers().after(600ms, [&] { fired += 'c'; });
  const auto early = loop.timers().after(200ms, [&] { fired += 'a'; });
  const auto middle = loop.timers().after(400ms, [&] { fired += 'b'; });
  CHECK(loop.until([&] { return fired.size() == 3; }));
  loop.pass(5ms);
  CHECK(fired == "abc");
}

TEST_CASE("a timer that is gone does not fire") {
  katameter::host::testing::Loop loop;
  bool fired = false;
  {
    const auto timer = loop.timers().after(1ms, [&] { fired = true; });
  }
  TimerQueue::Timer replaced = loop.timers().after(1ms, [&] { fired = true; });
  bool other = false;
  replaced = loop.timers().after(2ms, [&] { other = true; });
  CHECK(loop.until([&] { return other; }));
  CHECK_FALSE(fired);
}

TEST_CASE("a callback may replace its own timer and cancel another that is due") {
  katameter::host::testing::Loop loop;
  int count = 0;
  bool cancelled_fired = false;
  TimerQueue::Timer self;
  TimerQueue::Timer other;
  self = loop.timers().after(1ms, [&] {
    ++count;
    other.cancel();
    self = loop.timers().after(1ms, [&] { ++count; });
  });
  other = loop.timers().after(1ms, [&] { cancelled_fired = true; });
  CHECK(loop.until([&] { return count == 2; }));
  CHECK_FALSE(cancelled_fired);
}
