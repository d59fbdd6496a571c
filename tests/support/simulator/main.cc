#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <string>

#include "tests/support/simulator/commands.h"
#include "tests/support/simulator/fleet.h"
#include "userspace/event_loop.h"

namespace katameter::simulator {
namespace {

struct Options {
  std::string run_root;
  std::uint64_t guests = 1000;
  Load load;
};

// Each guest takes two.
void allow_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));  // if not, the guest for which there is none says so
}

Result<Fd> ending_signals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  if (sigprocmask(SIG_BLOCK, &ending, nullptr) != 0) return system_failure("cannot block signals");
  Fd signals(signalfd(-1, &ending, SFD_CLOEXEC));
  if (!signals) return system_failure("cannot make a signalfd");
  return signals;
}

void answer(const std::string& line, Fleet& fleet) {
  std::puts(carry_out(line, fleet).c_str());
  std::fflush(stdout);
}

Status run(const Options& options) {
  allow_descriptors();
  auto loop = EventLoop::create();
  if (!loop) return failure_from(std::move(loop.error()));
  const Result<Fd> signals = ending_signals();
  if (!signals) return failure(signals.error().text);
  Status watched = loop->watch(*signals, EPOLLIN, [&](std::uint32_t) { loop->stop(); });
  if (!watched) return watched;
  auto fleet = Fleet::create(*loop, options.run_root, options.load);
  if (!fleet) return failure_from(std::move(fleet.error()));
  if (Status added = fleet->add(options.guests); !added) return added;

  // Without an input, such as /dev/null, the node stays as it is; epoll does not take such files at all.
  const Fd input(dup(STDIN_FILENO));
  std::string unfinished;
  watched = loop->watch(input, EPOLLIN, [&](std::uint32_t) {
    std::array<char, 4096> buffer;
    const ssize_t got = read(input.get(), buffer.data(), buffer.size());
    if (got <= 0) return loop->unwatch(input);
    unfinished.append(buffer.data(), static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = unfinished.find('\n')) != std::string::npos; unfinished.erase(0, end + 1)) {
      answer(unfinished.substr(0, end), *fleet);
    }
  });
  std::printf("%llu sandboxes below %s\n", static_cast<unsigned long long>(options.guests), options.run_root.c_str());
  std::fflush(stdout);
  return loop->run();
}

}  // namespace
}  // namespace katameter::simulator

int main(int argc, char** argv) {
  katameter::simulator::Options options;
  CLI::App app{
      "A node full of sandboxes, without a VM. Reads commands from its standard input, one a line: add N, remove N "
      "(the oldest), count. Ends on SIGTERM and takes its sandboxes away."};
  app.add_option("--run-root", options.run_root, "Directory that stands for /run")->required();
  app.add_option("--guests", options.guests, "Sandboxes at the start")->capture_default_str();
  app.add_flag("--idle", options.load.idle,
               "Guests use hardly any CPU time, as processes that sleep in their VMMs' place");
  app.add_option("--containers", options.load.containers, "Containers of each, the pause container included")
      ->check(CLI::Range(1, 2000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const katameter::Status status = katameter::simulator::run(options);
  if (status) return 0;
  std::fprintf(stderr, "simulator: %s\n", status.error().text.c_str());
  return 1;
}
