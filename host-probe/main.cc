#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "host-probe/cli/overhead.h"
#include "host-probe/discovery/discovery.h"
#include "host-probe/http/server.h"
#include "host-probe/metrics/table.h"
#include "host-probe/node/node.h"
#include "host-probe/options.h"
#include "host-probe/overhead/history.h"
#include "host-probe/pods/cluster_names.h"
#include "host-probe/pods/names.h"
#include "host-probe/pods/pod_stats.h"
#include "host-probe/pods/runtime.h"
#include "host-probe/pods/runtime_stats.h"
#include "host-probe/processes/limitations.h"
#include "host-probe/processes/process_account.h"
#include "host-probe/service/systemd.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"
#include "userspace/log.h"
#include "userspace/signals.h"

namespace katameter::host {
namespace {

// One for each sandbox. A login shell and systemd allow 1,024 unless asked for more, and that many more a process may
// take.
void allow_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));  // process_max_fds says how many there are
}

// Without BPF on the host the guests' figures are still worth serving.
std::unique_ptr<ProcessSource> open_processes(EventLoop& loop) {
  auto account = ProcessAccount::create(loop);
  if (account) return std::move(*account);
  report_limitations({{"bpf", "no CPU and memory of VMMs and virtiofsd (katameter_process_*, katameter_sandbox_*): " +
                                  account.error().text}});
  return nullptr;
}

std::unique_ptr<NameSource> open_names(const Options& options) {
  if (options.pods_from != pods_from_runtime) {
    // parse_options() has let it pass.
    if (auto address = parse_pods_from(options.pods_from, options.node_name, options.service_account)) {
      return std::make_unique<ClusterNames>(*std::move(address), options.run_root);
    }
  }
  return std::make_unique<RuntimeNames>(runtime_endpoints(options.runtime_endpoints, options.run_root),
                                        options.run_root);
}

std::unique_ptr<StatsSource> open_stats(const Options& options) {
  return std::make_unique<RuntimeStats>(runtime_endpoints(options.runtime_endpoints, options.run_root));
}

Status run(Options options, const CommandLine& command_line) {
  allow_descriptors();
  auto loop = EventLoop::create();
  if (!loop) return failure_from(std::move(loop.error()));
  std::function<void()> reload;
  std::signal(SIGPIPE, SIG_IGN);  // a scraper that goes away ends nothing
  const auto signals = Signals::create(*loop, {SIGTERM, SIGINT, SIGHUP}, [&](int signal) {
    if (signal == SIGHUP) return reload();
    log_info("stopping on a signal", {{"signal", signal}});
    notify_stopping();
    loop->stop();
  });
  if (!signals) return failure(signals.error().text);
  auto timers = TimerQueue::create(*loop);
  if (!timers) return failure_from(std::move(timers.error()));

  // The port first: whoever finds it taken learns so before anything is loaded. Nobody is answered before the loop
  // runs, so the node may come later.
  std::unique_ptr<Node> node;
  std::function<void()> look_again;
  OverheadKeeper overheads(options.state_file, [](const SandboxReport& sandbox) {
    return sandbox.names ? sandbox.names->runtime_handler : std::string();
  });
  auto server = http::Server::create(
      *loop, **timers, options.web,
      [&](auto answer) {
        look_again();
        node->collect([&overheads, answer = std::move(answer)](const auto& report) {
          if (report) overheads.update(*report);
          answer(report);
        });
      },
      http::report_pages(options.web.telemetry_path));
  if (!server) return failure(server.error().text);
  report_limitations(find_limitations({}));
  const std::unique_ptr<ProcessSource> processes = open_processes(*loop);
  const auto names = Names::create(*loop, **timers, open_names(options),
                                   options.pods_from == pods_from_runtime ? NameTiming() : pod_list_name_timing());
  if (!names) return failure(names.error().text);
  std::unique_ptr<PodStats> stats;
  if (options.runtime_stats) {
    auto made = PodStats::create(*loop, open_stats(options));
    if (!made) return failure(made.error().text);
    stats = std::move(*made);
  }
  node = std::make_unique<Node>(*loop, **timers, processes.get(), names->get(), GuestTiming(), options.guest_port,
                                Node::time_to_end, stats.get());
  const DiscoveryEvents events{[&](const SandboxPlace& place) { node->sandbox_appeared(place); },
                               [&](const SandboxId& id) { node->sandbox_gone(id); }};
  const SandboxList::OfShims of_shims = [&] {
    if (!processes) return std::set<SandboxId>();
    processes->catch_up();
    return processes->of_shims();
  };
  auto discovery = Discovery::create(*loop, options.run_root, events, of_shims);
  if (!discovery) return failure(discovery.error().text);
  look_again = [&] { discovery->look_again(); };
  node->begin();
  log_info("host-probe {} serves {}, sandboxes are looked for below {}", KATAMETER_VERSION, (*server)->urls(),
           options.run_root);
  const auto serving = [&] { return "Serving " + (*server)->urls(); };
  reload = [&] {
    notify_reloading();
    const Status reloaded = reload_options(options, command_line,
                                           {[&](const std::string& file) { return (*server)->reload(file); },
                                            [&](const Options& now) {
                                              const Status set = stats ? stats->set_source(open_stats(now)) : Status();
                                              return set ? (*names)->set_source(open_names(now)) : set;
                                            }});
    notify_ready(reloaded ? serving() : serving() + "; not reloaded: " + reloaded.error().text);
  };
  (*server)->set_ready();
  notify_ready(serving());
  const Watchdog watchdog(**timers);

  Status served = loop->run();
  // Requests may wait for a report: they go before the node does.
  server->reset();
  node.reset();
  return served;
}

Status run_command(const Options& options, const CommandLine& command_line) {
  switch (options.command) {
    case Command::check_config: return http::check_web_config(options.web.config_file);
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
  return run(options, command_line);
}

}  // namespace
}  // namespace katameter::host

int main(int argc, char** argv) {
  const katameter::host::CommandLine command_line{argc, argv};
  const auto parsed = katameter::host::parse_options(argc, argv);
  if (const auto* leave = std::get_if<katameter::host::EarlyExit>(&parsed)) {
    std::fprintf(leave->status == 0 ? stdout : stderr, "%s\n", leave->text.c_str());
    return leave->status;
  }
  const auto& options = std::get<katameter::host::Options>(parsed);
  katameter::start_log(options.log_level, options.log_format);
  const katameter::Status status = katameter::host::run_command(options, command_line);
  if (status) return 0;
  std::fprintf(stderr, "host-probe: %s\n", status.error().text.c_str());
  return 1;
}
