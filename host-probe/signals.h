#pragma once

#include <functional>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host {

struct SignalHandlers {
  std::function<void(int signal)> stop;  ///< SIGTERM, SIGINT
  std::function<void()> reload;          ///< SIGHUP
};

/// Signals as events of the loop. Made before the first thread is started, it holds for all of them.
class Signals {
 public:
  /// Calls the handlers in the loop's thread. SIGPIPE is ignored from here on: a scraper that goes away ends nothing.
  static Result<Signals> create(EventLoop& loop, SignalHandlers handlers);

 private:
  explicit Signals(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace katameter::host
