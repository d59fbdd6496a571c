#include "host-probe/pods/names.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace katameter::host {

Result<std::unique_ptr<LookupThread>> LookupThread::create(EventLoop& loop, std::unique_ptr<NameSource> source,
                                                           Answered answered) {
  Fd wakeup(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeup) return system_failure("cannot make an event descriptor");
  std::unique_ptr<LookupThread> created(
      new LookupThread(loop, std::move(source), std::move(answered), std::move(wakeup)));
  Status watched = loop.watch(created->wakeup_, EPOLLIN, [raw = created.get()](std::uint32_t) { raw->deliver(); });
  if (!watched) return failure_from(std::move(watched.error()));
  try {
    created->thread_ = std::thread([raw = created.get()] { raw->work(); });
  } catch (const std::system_error& error) {
    return system_failure("cannot start a thread", error.code().value());
  }
  return created;
}

LookupThread::~LookupThread() {
  loop_.unwatch(wakeup_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  source_->cancel();
  if (thread_.joinable()) thread_.join();
}

void LookupThread::ask(LookupRequest request) {
  {
    const std::lock_guard lock(mutex_);
    request_ = std::move(request);
  }
  changed_.notify_one();
}

void LookupThread::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || request_; });
    if (stopping_) return;
    const LookupRequest request = std::move(*request_);
    request_.reset();
    lock.unlock();
    LookupResult answer = source_->look_up(request);
    lock.lock();
    answer_ = std::move(answer);
    // An eventfd that holds less than 2^64 - 1 takes this at once.
    eventfd_write(wakeup_.get(), 1);
  }
}

void LookupThread::deliver() {
  eventfd_t count = 0;
  eventfd_read(wakeup_.get(), &count);
  std::optional<LookupResult> answer;
  {
    const std::lock_guard lock(mutex_);
    answer = std::exchange(answer_, std::nullopt);
  }
  if (answer) answered_(*answer);
}

Result<std::unique_ptr<Names>> Names::create(EventLoop& loop, TimerQueue& timers, std::unique_ptr<NameSource> source,
                                             const NameTiming& timing) {
  std::unique_ptr<Names> names(new Names(loop, timers, timing));
  if (Status made = names->set_source(std::move(source)); !made) return failure_from(made.error());
  return names;
}

Status Names::set_source(std::unique_ptr<NameSource> source) {
  auto lookups =
      LookupThread::create(loop_, std::move(source), [this](const LookupResult& answer) { answered(answer); });
  if (!lookups) return failure_from(std::move(lookups.error()));
  lookups_ = std::move(*lookups);
  asked_at_.reset();
  last_answer_took_ = {};
  cache_.retry_all();
  ask_when_due();
  return {};
}

void Names::sandbox_appeared(const ContainerId& sandbox) {
  cache_.sandbox_appeared(sandbox);
  ask_when_due();
}

void Names::containers_seen(const ContainerId& sandbox, const std::set<ContainerId>& containers) {
  cache_.containers_seen(sandbox, containers);
  ask_when_due();
}

void Names::forget(const ContainerId& sandbox) {
  cache_.forget(sandbox);
  ask_when_due();
}

std::optional<KataPods> Names::kata_pods() {
  cache_.pods_wanted();
  ask_when_due();
  return cache_.kata_pods();
}

void Names::ask_when_due() {
  const auto due = cache_.due();
  const auto now = TimerQueue::Clock::now();
  if (!due) {
    next_.cancel();
  } else if (*due <= now) {
    next_.cancel();
    asked_at_ = now;
    lookups_->ask(cache_.ask());
  } else {
    next_ = timers_.after(*due - now, [this] { ask_when_due(); });
  }
}

void Names::answered(const LookupResult& answer) {
  const auto now = TimerQueue::Clock::now();
  last_answer_took_ = now - std::exchange(asked_at_, std::nullopt).value_or(now);
  cache_.answered(answer, now);
  ask_when_due();
  if (answer_callback_) answer_callback_();
}

bool Names::answers_within(TimerQueue::Clock::duration time) const {
  return asked_at_ && last_answer_took_ < time && TimerQueue::Clock::now() - *asked_at_ < time;
}

}  // namespace katameter::host
