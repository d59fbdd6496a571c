#include "userspace/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace katameter {

Result<Signals> Signals::create(EventLoop& loop, std::initializer_list<int> signals, std::function<void(int)> handler) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr)) return system_failure("cannot block signals", error);
  Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return system_failure("cannot receive signals");
  Status watched = loop.watch(fd, EPOLLIN, [number = fd.get(), handler = std::move(handler)](std::uint32_t) {
    signalfd_siginfo info{};
    if (read(number, &info, sizeof info) == sizeof info) handler(static_cast<int>(info.ssi_signo));
  });
  if (!watched) return failure_from(std::move(watched.error()));
  return Signals(std::move(fd));
}

}  // namespace katameter
