#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "host-probe/discovery/discovery.h"
#include "host-probe/exposition/catalogue.h"
#include "host-probe/exposition/scrape_gate.h"
#include "host-probe/names/names.h"
#include "host-probe/names/runtime_names.h"
#include "host-probe/node.h"
#include "host-probe/options.h"
#include "host-probe/overhead/overhead_keeper.h"
#include "host-probe/overhead/show_overhead.h"
#include "host-probe/processes/process_account.h"
#include "host-probe/signals.h"
#include "host-probe/timer_queue.h"
#include "host-probe/web/server.h"
#include "userspace/event_loop.h"
#include "userspace/log.h"

namespace katameter {
namespace {

// Without BPF on the host the guests' figures are still worth serving.
std::unique_ptr<ProcessSource> open_processes(EventLoop& loop) {
  auto account = ProcessAccount::create(loop);
  if (account) return std::move(*account);
  log_warning("no CPU and memory figures of VMMs and virtiofsd (katameter_process_*, katameter_sandbox_*): {}",
              account.error().text);
  return nullptr;
}

Status run(const Options& options) {
  auto loop = EventLoop::create();
  if (!loop) return failure_from(std::move(loop.error()));
  const auto signals = StopSignals::create(*loop, [&](int signal) {
    log_info("stopping on signal {}", signal);
    loop->stop();
  });
  if (!signals) return failure(signals.error().text);
  auto timers = TimerQueue::create(*loop);
  if (!timers) return failure_from(std::move(timers.error()));

  // The port first: whoever finds it taken learns so before anything is loaded. Nobody is answered before the loop
  // runs, so the node may come later.
  std::unique_ptr<Node> node;
  OverheadKeeper overheads(options.state_file, [](const SandboxReport& sandbox) {
    return sandbox.names ? sandbox.names->runtime_handler : std::string();
  });
  auto gate = ScrapeGate::create(*loop, [&](auto answer) {
    node->collect([&overheads, answer = std::move(answer)](const auto& report) {
      if (report) overheads.take_up(*report);
      answer(report);
    });
  });
  if (!gate) return failure_from(std::move(gate.error()));
  auto server = MetricsServer::create(options.web, **gate);
  if (!server) return failure(server.error().text);
  const std::unique_ptr<ProcessSource> processes = open_processes(*loop);
  const auto names = Names::create(
      *loop, **timers,
      std::make_unique<RuntimeNames>(runtime_endpoints(options.runtime_endpoints, options.run_root), options.run_root));
  if (!names) return failure(names.error().text);
  node = std::make_unique<Node>(*loop, **timers, processes.get(), names->get());
  node->begin();

  const DiscoveryEvents events{[&](const SandboxPlace& place) { node->sandbox_appeared(place); },
                               [&](const ContainerId& id) { node->sandbox_gone(id); }};
  const auto discovery = Discovery::create(*loop, options.run_root, events);
  if (!discovery) return failure(discovery.error().text);
  log_info("host-probe {} serves {}, sandboxes are looked for below {}", KATAMETER_VERSION, server->urls(),
           options.run_root);
  server->set_ready();

  Status served = loop->run();
  // The server's threads may wait for a report: let them go before it is destroyed and joins them.
  (*gate)->close();
  node.reset();
  return served;
}

Status run_command(const Options& options) {
  switch (options.command) {
    case Command::top: return show_top(options.top);
    case Command::overhead: {
      const Result<std::string> text = show_overhead(options.state_file);
      if (!text) return failure_from(text.error());
      std::fputs(text->c_str(), stdout);
      return {};
    }
    case Command::metrics: std::fputs(catalogue_markdown().c_str(), stdout); return {};
    case Command::run: break;
  }
  return run(options);
}

}  // namespace
}  // namespace katameter

int main(int argc, char** argv) {
  const auto parsed = katameter::parse_options(argc, argv);
  if (const auto* leave = std::get_if<katameter::Leave>(&parsed)) {
    std::fprintf(leave->status == 0 ? stdout : stderr, "%s\n", leave->text.c_str());
    return leave->status;
  }
  const auto& options = std::get<katameter::Options>(parsed);
  katameter::start_log(options.log_level, options.log_format);
  const katameter::Status status = katameter::run_command(options);
  if (status) return 0;
  std::fprintf(stderr, "host-probe: %s\n", status.error().text.c_str());
  return 1;
}
