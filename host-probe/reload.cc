#include "host-probe/reload.h"

#include <string_view>
#include <utility>
#include <variant>

#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

Result<Options> read_again(const CommandLine& command_line) {
  auto parsed = parse_options(command_line.argc, command_line.argv);
  if (auto* options = std::get_if<Options>(&parsed)) return std::move(*options);
  constexpr std::string_view program = "host-probe: ";
  std::string text = std::get<Leave>(parsed).text;
  if (text.starts_with(program)) text.erase(0, program.size());
  return failure(std::move(text));
}

// What is open or in use from the start on stays; the operator is told.
void keep_what_is_fixed(const Options& running, Options& fresh) {
  const auto keep = [](const char* option, const auto& before, auto& now) {
    if (before == now) return;
    log_warning("changed in the configuration: restart to apply", {{"option", option}});
    now = before;
  };
  keep("run-root", running.run_root, fresh.run_root);
  keep("guest.port", running.guest_port, fresh.guest_port);
  keep("state-file", running.state_file, fresh.state_file);
  keep("log.format", running.log_format, fresh.log_format);
  keep("web.listen-address", running.web.listen_addresses, fresh.web.listen_addresses);
  keep("web.systemd-socket", running.web.systemd_socket, fresh.web.systemd_socket);
  keep("web.telemetry-path", running.web.telemetry_path, fresh.web.telemetry_path);
}

Status take_over(Options& running, const CommandLine& command_line, const ReloadActions& actions) {
  Result<Options> fresh = read_again(command_line);
  if (!fresh) return failure_from(fresh.error());
  // First what can be wrong.
  if (Status web = actions.web(fresh->web.config_file); !web) return web;
  keep_what_is_fixed(running, *fresh);
  if (fresh->runtime_endpoints != running.runtime_endpoints) {
    if (const Status asked = actions.runtimes(*fresh); !asked) {
      log_error("cannot switch runtime endpoints; keeping the previous ones", {{"error", asked.error().text}});
      fresh->runtime_endpoints = running.runtime_endpoints;
    }
  }
  set_log_level(fresh->log_level);
  running = *std::move(fresh);
  return {};
}

}  // namespace

Status reload_options(Options& running, const CommandLine& command_line, const ReloadActions& actions) {
  Status taken = take_over(running, command_line, actions);
  OwnMetrics::of_process().count_reload(taken.has_value());
  if (taken) {
    log_info("configuration reloaded");
  } else {
    log_error("configuration not reloaded; keeping the previous one", {{"error", taken.error().text}});
  }
  return taken;
}

}  // namespace katameter::host
