#include "host-probe/timer_queue.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

namespace katameter::host {

Result<std::unique_ptr<TimerQueue>> TimerQueue::create(EventLoop& loop) {
  Fd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return system_failure("cannot make a timer");
  std::unique_ptr<TimerQueue> queue(new TimerQueue(loop, std::move(timer)));
  Status watched = loop.watch(queue->timer_, EPOLLIN, [queue = queue.get()](std::uint32_t) { queue->expire(); });
  if (!watched) return failure_from(std::move(watched.error()));
  return queue;
}

TimerQueue::~TimerQueue() {
  loop_.unwatch(timer_);
}

TimerQueue::Timer TimerQueue::after(Clock::duration delay, Callback callback) {
  const Timer::Key key{Clock::now() + delay, ++last_number_};
  pending_.emplace(key, std::move(callback));
  arm();
  return Timer(this, key);
}

void TimerQueue::Timer::cancel() {
  if (queue_ == nullptr) return;
  // The timerfd may now fire for nothing, once; expire() finds nothing due then.
  std::exchange(queue_, nullptr)->pending_.erase(key_);
}

void TimerQueue::expire() {
  std::uint64_t count = 0;
  // Nothing to read after a stale event: the due timers, if any, are found below all the same.
  if (read(timer_.get(), &count, sizeof count) < 0) count = 0;
  armed_for_ = Clock::time_point::max();
  const Clock::time_point now = Clock::now();
  while (!pending_.empty() && pending_.begin()->first.first <= now) {
    const auto due = pending_.extract(pending_.begin());
    due.mapped()();
  }
  arm();
}

// Nearly all timers are cancelled long before they are due. So the timerfd is set only for one that is due earlier than
// what it waits for: one system call instead of one for each guest of a scrape.
void TimerQueue::arm() {
  if (pending_.empty() || pending_.begin()->first.first >= armed_for_) return;
  armed_for_ = pending_.begin()->first.first;
  const auto since_start = std::chrono::duration_cast<std::chrono::nanoseconds>(armed_for_.time_since_epoch());
  constexpr std::int64_t second = 1'000'000'000;
  itimerspec setting{};
  setting.it_value.tv_sec = since_start.count() / second;
  setting.it_value.tv_nsec = std::max<std::int64_t>(since_start.count() % second, 1);
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

}  // namespace katameter::host
