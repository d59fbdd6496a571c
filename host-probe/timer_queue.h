#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host {

/// Any number of one-shot timers on one timerfd. With none of them set, nothing wakes the process.
/// For the event loop's thread only; must live longer than every Timer that it gave out.
class TimerQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Callback = std::function<void()>;

  /// A set timer; it is cancelled when this is destroyed or replaced.
  class Timer {
   public:
    Timer() = default;
    Timer(Timer&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)), key_(std::move(other.key_)) {}
    Timer& operator=(Timer&& other) noexcept {
      cancel();
      queue_ = std::exchange(other.queue_, nullptr);
      key_ = other.key_;
      return *this;
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { cancel(); }
    void cancel();

   private:
    friend class TimerQueue;
    using Key = std::pair<Clock::time_point, std::uint64_t>;
    Timer(TimerQueue* queue, Key key) : queue_(queue), key_(key) {}

    TimerQueue* queue_ = nullptr;
    Key key_;
  };

  static Result<std::unique_ptr<TimerQueue>> create(EventLoop& loop);
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  /// Calls `callback` once, `delay` from now, unless the returned timer is gone by then. The callback may set and
  /// cancel timers, its own included.
  [[nodiscard]] Timer after(Clock::duration delay, Callback callback);

 private:
  TimerQueue(EventLoop& loop, Fd timer) : loop_(loop), timer_(std::move(timer)) {}
  void expire();
  void arm();

  EventLoop& loop_;
  Fd timer_;
  std::uint64_t last_number_ = 0;  // tells timers of the same moment apart
  std::map<Timer::Key, Callback> pending_;
  Clock::time_point armed_for_ = Clock::time_point::max();  // what the timerfd waits for; max: for nothing
};

}  // namespace katameter::host
