#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"

namespace katameter::host::testing {

/// An event loop with timers that is run for as long as a test waits for something.
class Loop {
 public:
  Loop();

  /// Serves until `done` says so; false if it does not within `max_wait`.
  bool until(const std::function<bool()>& done, std::chrono::milliseconds max_wait = std::chrono::seconds(60));
  /// Serves for a fixed time, and everything that is ready several times over, to see that something does not happen.
  void pass(std::chrono::milliseconds time);

  EventLoop& events() { return *loop_; }
  TimerQueue& timers() { return *timers_; }

 private:
  void look_again(const std::function<bool()>& done, TimerQueue::Clock::time_point end);

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<TimerQueue> timers_;
  TimerQueue::Timer next_look_;
};

}  // namespace katameter::host::testing
