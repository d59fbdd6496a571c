#include "host-probe/names/names.h"

#include <utility>

#include "userspace/log.h"

namespace katameter::host {

Result<std::unique_ptr<Names>> Names::create(EventLoop& loop, TimerQueue& timers, std::unique_ptr<NameSource> source,
                                             const NameTiming& timing) {
  std::unique_ptr<Names> names(new Names(loop, timers, timing));
  if (Status made = names->ask_elsewhere(std::move(source)); !made) return failure_from(made.error());
  return names;
}

Status Names::ask_elsewhere(std::unique_ptr<NameSource> source) {
  auto worker = NameWorker::create(loop_, std::move(source), [this](const NameAnswer& answer) { answered(answer); });
  if (!worker) return failure_from(std::move(worker.error()));
  worker_ = std::move(*worker);
  book_.ask_anew();
  ask_when_due();
  return {};
}

void Names::sandbox_appeared(const ContainerId& sandbox) {
  book_.sandbox_appeared(sandbox);
  ask_when_due();
}

void Names::containers_seen(const ContainerId& sandbox, const std::set<ContainerId>& containers) {
  book_.containers_seen(sandbox, containers);
  ask_when_due();
}

void Names::forget(const ContainerId& sandbox) {
  book_.forget(sandbox);
  ask_when_due();
}

void Names::ask_when_due() {
  const auto due = book_.due();
  const auto now = TimerQueue::Clock::now();
  if (!due) {
    next_.cancel();
  } else if (*due <= now) {
    next_.cancel();
    worker_->ask(book_.ask());
  } else {
    next_ = timers_.after(*due - now, [this] { ask_when_due(); });
  }
}

void Names::answered(const NameAnswer& answer) {
  const bool trouble = answer.trouble.has_value();
  if (std::exchange(in_trouble_, trouble) != trouble) {
    if (trouble) {
      log_warning("names of pods and containers may be missing", {{"error", answer.trouble->text}});
    } else {
      log_info("the container runtime answers again");
    }
  }
  book_.answered(answer, TimerQueue::Clock::now());
  ask_when_due();
}

}  // namespace katameter::host
