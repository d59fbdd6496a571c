#include "host-probe/http/daemon.h"

#include <gnutls/abstract.h>
#include <sys/eventfd.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "userspace/log.h"

namespace katameter::host::http {
namespace {

// Nothing was received and nothing could be sent for so long. Above the intervals of scrapes, so that a Prometheus keeps
// its connection.
constexpr unsigned idle_seconds = 120;
// More than Server::max_connections: those that are being closed still count.
constexpr unsigned max_connections = 1024;
// Of a request's line and headers, and of what is sent at once. A request that does not fit is answered with 431.
constexpr std::size_t connection_memory = std::size_t{32} * 1024;

__attribute__((format(printf, 2, 0))) void log_line(void*, const char* format, va_list arguments) {
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string_view line = text.data();
  while (line.ends_with('\n')) line.remove_suffix(1);
  log_debug("libmicrohttpd", {{"error", line}});
}

// A TLS daemon wants to know one; each connection has its own TlsContext instead.
int no_certificate(gnutls_session_t, const gnutls_datum_t*, int, const gnutls_pk_algorithm_t*, int, gnutls_pcert_st**,
                   unsigned*, gnutls_privkey_t*) {
  return -1;
}

}  // namespace

Result<std::unique_ptr<Resumer>> Resumer::create(EventLoop& loop, std::function<void()> resumed) {
  Fd wakeup(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeup) return system_failure("cannot make an eventfd");
  std::unique_ptr<Resumer> resumer(new Resumer(loop, std::move(wakeup), std::move(resumed)));
  Status watched = loop.watch(resumer->wakeup_, EPOLLIN, [self = resumer.get()](std::uint32_t) { self->run(); });
  if (!watched) return failure_from(std::move(watched.error()));
  return resumer;
}

Resumer::~Resumer() {
  loop_.unwatch(wakeup_);
}

void Resumer::resume(MHD_Connection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.push_back(connection);
  eventfd_write(wakeup_.get(), 1);
}

void Resumer::run() {
  eventfd_t count = 0;
  eventfd_read(wakeup_.get(), &count);
  std::vector<MHD_Connection*> connections;
  {
    const std::lock_guard lock(mutex_);
    connections.swap(connections_);
  }
  for (MHD_Connection* connection : connections) MHD_resume_connection(connection);
  resumed_();
}

Result<std::unique_ptr<Daemon>> Daemon::create(EventLoop& loop, TimerQueue& timers, bool tls,
                                               const DaemonCallbacks& callbacks) {
  std::unique_ptr<Daemon> daemon(new Daemon(loop, timers));
  unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  std::array<MHD_OptionItem, 2> of_tls{{{MHD_OPTION_END, 0, nullptr}, {MHD_OPTION_END, 0, nullptr}}};
  if (tls) {
    flags |= MHD_USE_TLS;
    of_tls[0] = {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, reinterpret_cast<void*>(&no_certificate)};
  }
  // The logger first: it is for what comes after it.
  daemon->daemon_ = MHD_start_daemon(
      flags, 0, nullptr, nullptr, callbacks.answer, callbacks.self, MHD_OPTION_EXTERNAL_LOGGER, &log_line, nullptr,
      MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_CONNECTION_LIMIT, max_connections,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory, MHD_OPTION_NOTIFY_COMPLETED, callbacks.completed,
      callbacks.self, MHD_OPTION_NOTIFY_CONNECTION, callbacks.connection, callbacks.self,
      MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, of_tls.data(), MHD_OPTION_END);
  if (daemon->daemon_ == nullptr) return failure("cannot start libmicrohttpd; --log.level debug may say why");
  const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon->daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == nullptr || info->epoll_fd < 0) return failure("libmicrohttpd has no epoll set");
  auto epoll = Fd::duplicate(info->epoll_fd);
  if (!epoll) return failure_from(std::move(epoll.error()));
  daemon->epoll_ = std::move(*epoll);
  Status watched = loop.watch(daemon->epoll_, EPOLLIN, [self = daemon.get()](std::uint32_t) { self->run(); });
  if (!watched) return failure_from(std::move(watched.error()));
  return daemon;
}

Daemon::~Daemon() {
  if (epoll_) loop_.unwatch(epoll_);
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

bool Daemon::add(Fd socket, const sockaddr* peer, socklen_t size) {
  return MHD_add_connection(daemon_, socket.release(), peer, size) == MHD_YES;
}

// A large answer takes many runs, each of which sends a piece. Some are made at once, and then whatever else the event
// loop waits for has its turn.
void Daemon::run() {
  constexpr int max_runs = 16;
  MHD_UNSIGNED_LONG_LONG milliseconds = 0;
  for (int runs = 0; runs < max_runs; ++runs) {
    MHD_run(daemon_);
    if (MHD_get_timeout(daemon_, &milliseconds) != MHD_YES || milliseconds > 0) break;
  }
  set_timer();
}

// The next timeout moves away with each request; a timer that comes too early costs less than one that is set each time.
void Daemon::set_timer() {
  MHD_UNSIGNED_LONG_LONG milliseconds = 0;
  if (MHD_get_timeout(daemon_, &milliseconds) != MHD_YES) {
    timer_.cancel();
    wakes_at_ = {};
    return;
  }
  const auto now = TimerQueue::Clock::now();
  const auto due = now + std::chrono::milliseconds(milliseconds);
  if (wakes_at_ > now && wakes_at_ <= due) return;
  wakes_at_ = due;
  timer_ = timers_.after(due - now, [this] {
    wakes_at_ = {};
    run();
  });
}

}  // namespace katameter::host::http
