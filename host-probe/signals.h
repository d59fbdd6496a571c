#pragma once

#include <functional>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// SIGTERM and SIGINT as events of the loop. Made before the first thread is started, it holds for all of them.
class StopSignals {
 public:
  /// Calls `stop` in the loop's thread. SIGPIPE is ignored from here on: a scraper that goes away ends nothing.
  static Result<StopSignals> create(EventLoop& loop, std::function<void(int signal)> stop);

 private:
  explicit StopSignals(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace katameter
