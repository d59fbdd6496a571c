// usage: fake_node IP:PORT [hostile] [WEB_CONFIG]
//
// Serves what a node would, from figures that are made up (fake_report.h), through host-probe's own exposition and
// web server. Says on stdout where, and ends with its input.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string_view>

#include "host-probe/http/server.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "host-probe/timer_queue.h"
#include "tests/support/fake_report.h"
#include "userspace/event_loop.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::NameStyle;

int main(int argc, char** argv) {
  const auto complain = [](const Error& error) {
    std::fprintf(stderr, "fake_node: %s\n", error.text.c_str());
    return 1;
  };
  if (argc < 2) return 2;
  const bool hostile = argc > 2 && std::string_view(argv[2]) == "hostile";
  const auto style = hostile ? NameStyle::hostile : NameStyle::ordinary;
  auto loop = EventLoop::create();
  if (!loop) return complain(loop.error());
  // It has run for an hour already.
  const auto start = std::chrono::steady_clock::now() - std::chrono::hours(1);
  auto timers = TimerQueue::create(*loop);
  if (!timers) return complain(timers.error());
  http::Options options;
  options.listen_addresses = {argv[1]};
  if (const int file = hostile ? 3 : 2; argc > file) options.config_file = argv[file];
  auto server = http::Server::create(
      *loop, **timers, options,
      [&](auto answer) {
        const std::chrono::duration<double> age = std::chrono::steady_clock::now() - start;
        answer(std::make_shared<NodeReport>(katameter::host::testing::fake_report(age.count(), style)));
      },
      http::report_pages(options.telemetry_path));
  if (!server) return complain(server.error());
  OwnMetrics::of_process().set_host_limitation("cpus");
  (*server)->set_ready();
  std::printf("%s\n", (*server)->urls().c_str());
  std::fflush(stdout);
  // Whoever started it holds the other end: it never outlives a test.
  const Fd input(dup(STDIN_FILENO));
  const Status watched = loop->watch(input, EPOLLIN, [&](std::uint32_t) { loop->stop(); });
  if (!watched) return complain(watched.error());
  const Status served = loop->run();
  return served ? 0 : complain(served.error());
}
