#include "host-probe/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace katameter::host {

Result<Signals> Signals::create(EventLoop& loop, SignalHandlers handlers) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr)) return system_failure("cannot block signals", error);
  Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return system_failure("cannot receive signals");
  Status watched = loop.watch(fd, EPOLLIN, [number = fd.get(), handlers = std::move(handlers)](std::uint32_t) {
    signalfd_siginfo info{};
    if (read(number, &info, sizeof info) != sizeof info) return;
    if (info.ssi_signo == SIGHUP) return handlers.reload();
    handlers.stop(static_cast<int>(info.ssi_signo));
  });
  if (!watched) return failure_from(std::move(watched.error()));
  return Signals(std::move(fd));
}

}  // namespace katameter::host
