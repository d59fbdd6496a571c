#include "tests/support/loop.h"

#include <stdexcept>

namespace katameter::host::testing {

Loop::Loop() {
  auto loop = EventLoop::create();
  if (!loop) throw std::runtime_error(loop.error().text);
  loop_ = std::make_unique<EventLoop>(std::move(*loop));
  auto timers = TimerQueue::create(*loop_);
  if (!timers) throw std::runtime_error(timers.error().text);
  timers_ = std::move(*timers);
}

bool Loop::until(const std::function<bool()>& done, std::chrono::milliseconds max_wait) {
  look_again(done, TimerQueue::Clock::now() + max_wait);
  const Status status = loop_->run();
  if (!status) throw std::runtime_error(status.error().text);
  return done();
}

void Loop::pass(std::chrono::milliseconds time) {
  // On a busy machine the time may be over before anything was served.
  int turns = 0;
  const auto end = TimerQueue::Clock::now() + time;
  static_cast<void>(until([&] { return ++turns > 5 && TimerQueue::Clock::now() >= end; }));
}

void Loop::look_again(const std::function<bool()>& done, TimerQueue::Clock::time_point end) {
  next_look_ = timers_->after(std::chrono::milliseconds(1), [this, &done, end] {
    if (done() || TimerQueue::Clock::now() >= end) return loop_->stop();
    look_again(done, end);
  });
}

}  // namespace katameter::host::testing
