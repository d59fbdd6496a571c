#pragma once

#include <memory>
#include <set>

#include "host-probe/names/name_book.h"
#include "host-probe/names/name_source.h"
#include "host-probe/names/name_worker.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

namespace katameter::host {

/// The names of this node's sandboxes and containers, as far as they are known at the moment: nobody waits for one.
/// For the event loop's thread only.
class Names {
 public:
  /// `loop` and `timers` must outlive it.
  static Result<std::unique_ptr<Names>> create(EventLoop& loop, TimerQueue& timers, std::unique_ptr<NameSource> source,
                                               const NameTiming& timing = {});
  ~Names() = default;
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  /// As in NameBook; what is missing is asked for.
  void sandbox_appeared(const ContainerId& sandbox);
  void containers_seen(const ContainerId& sandbox, const std::set<ContainerId>& containers);
  void forget(const ContainerId& sandbox);

  /// Asks there from now on, beginning with all that is missing. On an error nothing has changed.
  Status ask_elsewhere(std::unique_ptr<NameSource> source);

  /// Null if nothing is known; may be handed to another thread.
  std::shared_ptr<const SandboxNames> of(const ContainerId& sandbox) const { return book_.names(sandbox); }

 private:
  Names(EventLoop& loop, TimerQueue& timers, const NameTiming& timing) : loop_(loop), timers_(timers), book_(timing) {}
  void ask_when_due();
  void answered(const NameAnswer& answer);

  EventLoop& loop_;
  TimerQueue& timers_;
  NameBook book_;
  std::unique_ptr<NameWorker> worker_;
  TimerQueue::Timer next_;
  bool in_trouble_ = false;  // and the log has it
};

}  // namespace katameter::host
