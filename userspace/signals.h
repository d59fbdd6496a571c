#pragma once

#include <functional>
#include <initializer_list>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Signals as events of the loop. Made before the first thread is started, it holds for all of them.
class Signals {
 public:
  /// Calls the handler in the loop's thread, with the number of the signal.
  static Result<Signals> create(EventLoop& loop, std::initializer_list<int> signals, std::function<void(int)> handler);

 private:
  explicit Signals(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace katameter
