#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Waits for descriptors and calls back, in one thread. It owns no timer: with nothing to read it does not wake.
/// All members are for the thread that calls run(), stop() excepted where noted.
class EventLoop {
 public:
  using Callback = std::function<void(std::uint32_t events)>;

  static Result<EventLoop> create();

  /// Calls `callback` with the epoll events whenever `fd` has one of `events` (EPOLLIN, EPOLLOUT ...).
  /// The caller keeps `fd` open until it calls unwatch(); a callback may unwatch any descriptor, its own included.
  Status watch(const Fd& fd, std::uint32_t events, Callback callback);
  /// Changes what a watched descriptor waits for.
  Status rewatch(const Fd& fd, std::uint32_t events);
  void unwatch(const Fd& fd);

  /// Serves until stop() was called from a callback; an error only if epoll itself fails.
  Status run();
  void stop() { running_ = false; }

 private:
  explicit EventLoop(Fd epoll) : epoll_(std::move(epoll)) {}

  Fd epoll_;
  bool running_ = false;
  // Shared, so that a callback which unwatches itself is not destroyed while it runs.
  std::map<int, std::shared_ptr<Callback>> callbacks_;
};

}  // namespace katameter
