#include "host-probe/discovery/inotify.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace katameter::host {

Result<std::unique_ptr<Inotify>> Inotify::create(EventLoop& loop) {
  Fd queue(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!queue) return system_failure("cannot watch directories (raise fs.inotify.max_user_instances)");
  std::unique_ptr<Inotify> inotify(new Inotify(loop, std::move(queue)));
  Status watched = loop.watch(inotify->queue_, EPOLLIN, [self = inotify.get()](std::uint32_t) { self->read_events(); });
  if (!watched) return failure_from(std::move(watched.error()));
  return inotify;
}

Inotify::~Inotify() {
  loop_.unwatch(queue_);
}

void Inotify::read_events() {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  const ssize_t size = read(queue_.get(), buffer.data(), buffer.size());
  for (ssize_t offset = 0; offset < size;) {
    inotify_event event;
    std::memcpy(&event, buffer.data() + offset, sizeof event);
    const char* name = buffer.data() + offset + sizeof event;
    dispatch({event.wd, event.mask, {name, event.len > 0 ? std::strlen(name) : 0}});
    offset += static_cast<ssize_t>(sizeof event + event.len);
  }
}

void Inotify::dispatch(const Event& event) {
  const auto meant = event.watch < 0 ? watchers_ : by_watch_[event.watch];
  for (Watcher* watcher : meant) {
    // Those before it may have destroyed it.
    if (watchers_.contains(watcher)) watcher->callback_(event);
  }
  const auto watched = by_watch_.find(event.watch);
  if (watched == by_watch_.end()) return;
  if ((event.mask & IN_IGNORED) != 0) {
    for (Watcher* watcher : watched->second) watcher->watches_.erase(event.watch);
    watched->second.clear();
  }
  if (watched->second.empty()) by_watch_.erase(watched);
}

Inotify::Watcher::Watcher(Inotify& inotify, Callback callback) : inotify_(inotify), callback_(std::move(callback)) {
  inotify_.watchers_.insert(this);
}

Inotify::Watcher::~Watcher() {
  while (!watches_.empty()) unwatch(*watches_.begin());
  inotify_.watchers_.erase(this);
}

Result<int> Inotify::Watcher::watch(const std::string& directory) {
  constexpr std::uint32_t mask =
      IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  const int number = inotify_add_watch(inotify_.queue_.get(), directory.c_str(), mask);
  if (number < 0) {
    const std::string advice = errno == ENOSPC ? " (raise fs.inotify.max_user_watches)" : "";
    return system_failure("cannot watch " + directory + advice);
  }
  watches_.insert(number);
  inotify_.by_watch_[number].insert(this);
  return number;
}

void Inotify::Watcher::unwatch(int watch) {
  if (watches_.erase(watch) == 0) return;
  const auto watched = inotify_.by_watch_.find(watch);
  watched->second.erase(this);
  if (!watched->second.empty()) return;
  inotify_.by_watch_.erase(watched);
  inotify_rm_watch(inotify_.queue_.get(), watch);
}

}  // namespace katameter::host
