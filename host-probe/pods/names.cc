#include "host-probe/pods/names.h"

#include <utility>

namespace katameter::host {

Result<std::unique_ptr<Names>> Names::create(EventLoop& loop, TimerQueue& timers, std::unique_ptr<NameSource> source,
                                             const NameTiming& timing) {
  std::unique_ptr<Names> names(new Names(loop, timers, timing));
  if (Status made = names->set_source(std::move(source)); !made) return failure_from(made.error());
  return names;
}

Status Names::set_source(std::unique_ptr<NameSource> source) {
  auto lookups = SourceThread<NameSource>::create(loop_, std::move(source),
                                                  [this](const LookupResult& answer) { answered(answer); });
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
