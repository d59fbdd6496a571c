#pragma once

#include <microhttpd.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host::http {

/// What libmicrohttpd calls, each with `self`; all but `answer` may not fail.
struct DaemonCallbacks {
  void* self = nullptr;
  MHD_AccessHandlerCallback answer = nullptr;
  MHD_RequestCompletedCallback completed = nullptr;
  MHD_NotifyConnectionCallback connection = nullptr;
};

/// Resumes suspended connections, from any thread and at a time when libmicrohttpd is not at work: a daemon without
/// threads is not woken by MHD_resume_connection() and has to be run after it.
class Resumer {
 public:
  /// `resumed` runs the daemons.
  static Result<std::unique_ptr<Resumer>> create(EventLoop& loop, std::function<void()> resumed);
  ~Resumer();
  Resumer(const Resumer&) = delete;
  Resumer& operator=(const Resumer&) = delete;

  /// From any thread, once each time that the connection was suspended.
  void resume(MHD_Connection* connection);
  /// In the event loop's thread: resumes now what is to be resumed.
  void run();

 private:
  Resumer(EventLoop& loop, Fd wakeup, std::function<void()> resumed)
      : loop_(loop), wakeup_(std::move(wakeup)), resumed_(std::move(resumed)) {}

  EventLoop& loop_;
  Fd wakeup_;
  std::function<void()> resumed_;
  std::mutex mutex_;
  std::vector<MHD_Connection*> connections_;  // under mutex_
};

/// A daemon of libmicrohttpd without threads: its epoll set hangs in the event loop, its timeouts are a timer. It gets its
/// connections by add(). For the event loop's thread.
class Daemon {
 public:
  /// `tls`: its connections begin with a handshake; `connection` has to attach a TlsContext when one has started.
  static Result<std::unique_ptr<Daemon>> create(EventLoop& loop, TimerQueue& timers, bool tls,
                                                const DaemonCallbacks& callbacks);
  /// Closes all connections, of which none may be suspended.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Takes a connected socket. False: it is closed.
  bool add(Fd socket, const sockaddr* peer, socklen_t size);
  /// Does what there is to do now. Not from a callback.
  void run();

 private:
  Daemon(EventLoop& loop, TimerQueue& timers) : loop_(loop), timers_(timers) {}
  void set_timer();

  EventLoop& loop_;
  TimerQueue& timers_;
  Fd epoll_;  // a second descriptor of the daemon's own
  TimerQueue::Timer timer_;
  TimerQueue::Clock::time_point wakes_at_;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace katameter::host::http
