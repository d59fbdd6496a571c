#include "userspace/event_loop.h"

#include <array>
#include <utility>

namespace katameter {

Result<EventLoop> EventLoop::create() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_failure("cannot make an epoll set");
  return EventLoop(std::move(epoll));
}

Status EventLoop::watch(const Fd& fd, std::uint32_t events, Callback callback) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd.get();
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return system_failure("cannot watch a descriptor");
  callbacks_[fd.get()] = std::make_shared<Callback>(std::move(callback));
  return {};
}

Status EventLoop::rewatch(const Fd& fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd.get();
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) {
    return system_failure("cannot change what a descriptor is watched for");
  }
  return {};
}

void EventLoop::unwatch(const Fd& fd) {
  if (callbacks_.erase(fd.get()) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
}

Status EventLoop::run() {
  running_ = true;
  std::array<epoll_event, 64> ready{};
  while (running_) {
    const int count = epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), -1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_failure("cannot wait for events");
    for (int i = 0; i < count && running_; ++i) {
      const epoll_event& event = ready[static_cast<std::size_t>(i)];
      // Looked up for each event: an earlier callback of this round may have unwatched it.
      const auto found = callbacks_.find(event.data.fd);
      if (found == callbacks_.end()) continue;
      const std::shared_ptr<Callback> callback = found->second;
      (*callback)(event.events);
    }
  }
  return {};
}

}  // namespace katameter
