#include "host-probe/discovery/inotify.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace katameter {

Result<std::unique_ptr<Inotify>> Inotify::create(EventLoop& loop, Callback callback) {
  Fd queue(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!queue) return system_failure("cannot watch directories (raise fs.inotify.max_user_instances)");
  std::unique_ptr<Inotify> inotify(new Inotify(loop, std::move(queue), std::move(callback)));
  Status watched = loop.watch(inotify->queue_, EPOLLIN, [self = inotify.get()](std::uint32_t) { self->read_events(); });
  if (!watched) return failure_from(std::move(watched.error()));
  return inotify;
}

Inotify::~Inotify() {
  loop_.unwatch(queue_);
}

Result<int> Inotify::watch(const std::string& directory) {
  constexpr std::uint32_t mask =
      IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  const int number = inotify_add_watch(queue_.get(), directory.c_str(), mask);
  if (number >= 0) return number;
  const std::string advice = errno == ENOSPC ? " (raise fs.inotify.max_user_watches)" : "";
  return system_failure("cannot watch " + directory + advice);
}

void Inotify::unwatch(int watch) {
  inotify_rm_watch(queue_.get(), watch);
}

void Inotify::read_events() {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  const ssize_t size = read(queue_.get(), buffer.data(), buffer.size());
  for (ssize_t offset = 0; offset < size;) {
    inotify_event event;
    std::memcpy(&event, buffer.data() + offset, sizeof event);
    const char* name = buffer.data() + offset + sizeof event;
    callback_({event.wd, event.mask, {name, event.len > 0 ? std::strlen(name) : 0}});
    offset += static_cast<ssize_t>(sizeof event + event.len);
  }
}

}  // namespace katameter
