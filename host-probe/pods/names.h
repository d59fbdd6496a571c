#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "host-probe/pods/name_cache.h"
#include "host-probe/pods/sandbox_names.h"
#include "host-probe/pods/source_thread.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

namespace katameter::host {

/// The names of this node's sandboxes and containers, as far as they are known at the moment. For the event loop's thread
/// only.
class Names {
 public:
  /// `loop` and `timers` must outlive it.
  static Result<std::unique_ptr<Names>> create(EventLoop& loop, TimerQueue& timers, std::unique_ptr<NameSource> source,
                                               const NameTiming& timing = {});
  ~Names() = default;
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  /// As in PodNameCache; what is missing is asked for.
  void sandbox_appeared(const ContainerId& sandbox);
  void containers_seen(const ContainerId& sandbox, const std::set<ContainerId>& containers);
  void forget(const ContainerId& sandbox);

  /// As in PodNameCache. To be called at each scrape: between scrapes nobody asks for pods alone.
  std::optional<KataPods> kata_pods();

  std::set<ContainerId> unknown(const ContainerId& sandbox) const { return cache_.unknown(sandbox); }

  /// A request is open whose answer is to be expected within `time`: the last answer came as fast, and this one is not
  /// overdue. Who waits for it is called back by on_answer().
  bool answers_within(TimerQueue::Clock::duration time) const;
  /// Is called after each answer, with its names known. Replaces the one before.
  void on_answer(std::function<void()> callback) { answer_callback_ = std::move(callback); }

  /// Asks there from now on, beginning with all that is missing. On an error nothing has changed.
  Status set_source(std::unique_ptr<NameSource> source);

  /// Null if nothing is known; may be handed to another thread.
  std::shared_ptr<const SandboxNames> of(const ContainerId& sandbox) const { return cache_.names(sandbox); }

 private:
  Names(EventLoop& loop, TimerQueue& timers, const NameTiming& timing) : loop_(loop), timers_(timers), cache_(timing) {}
  void ask_when_due();
  void answered(const LookupResult& answer);

  EventLoop& loop_;
  TimerQueue& timers_;
  PodNameCache cache_;
  std::unique_ptr<SourceThread<NameSource>> lookups_;
  TimerQueue::Timer next_;
  std::function<void()> answer_callback_;
  std::optional<TimerQueue::Clock::time_point> asked_at_;  // of the open request
  TimerQueue::Clock::duration last_answer_took_{};
};

}  // namespace katameter::host
