#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host {

/// An inotify instance on the event loop, for several watchers: a user may have no more than
/// fs.inotify.max_user_instances, 128 on most machines.
class Inotify {
 public:
  struct Event {
    int watch = -1;          // -1: the queue overflowed, any event may have been lost
    std::uint32_t mask = 0;  // IN_*
    std::string_view name;   // of the directory's entry; empty if the directory itself is meant
  };
  class Watcher;

  static Result<std::unique_ptr<Inotify>> create(EventLoop& loop);
  ~Inotify();
  Inotify(const Inotify&) = delete;
  Inotify& operator=(const Inotify&) = delete;

 private:
  Inotify(EventLoop& loop, Fd queue) : loop_(loop), queue_(std::move(queue)) {}
  void read_events();
  void dispatch(const Event& event);

  EventLoop& loop_;
  Fd queue_;
  std::set<Watcher*> watchers_;
  std::map<int, std::set<Watcher*>> by_watch_;
};

/// A user of the queue: gets the events of the directories that it watches. The Inotify must outlive it.
class Inotify::Watcher {
 public:
  /// May destroy other watchers.
  using Callback = std::function<void(const Event&)>;

  Watcher(Inotify& inotify, Callback callback);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Watches a directory for entries that come or go and for its own end; follows symbolic links. The same directory
  /// has the same number, however often and by whatever path it is watched. ENOENT and ENOTDIR: there is none.
  Result<int> watch(const std::string& directory);
  void unwatch(int watch);

 private:
  friend class Inotify;

  Inotify& inotify_;
  Callback callback_;
  std::set<int> watches_;
};

}  // namespace katameter::host
