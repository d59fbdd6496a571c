#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// An inotify instance on the event loop.
class Inotify {
 public:
  struct Event {
    int watch = -1;          // -1: the queue overflowed, any event may have been lost
    std::uint32_t mask = 0;  // IN_*
    std::string_view name;   // of the directory's entry; empty if the directory itself is meant
  };
  using Callback = std::function<void(const Event&)>;

  static Result<std::unique_ptr<Inotify>> create(EventLoop& loop, Callback callback);
  ~Inotify();
  Inotify(const Inotify&) = delete;
  Inotify& operator=(const Inotify&) = delete;

  /// Watches a directory for entries that come or go and for its own end; follows symbolic links. The same directory
  /// has the same number, however often and by whatever path it is watched. ENOENT and ENOTDIR: there is none.
  Result<int> watch(const std::string& directory);
  void unwatch(int watch);

 private:
  Inotify(EventLoop& loop, Fd queue, Callback callback)
      : loop_(loop), queue_(std::move(queue)), callback_(std::move(callback)) {}
  void read_events();

  EventLoop& loop_;
  Fd queue_;
  Callback callback_;
};

}  // namespace katameter
