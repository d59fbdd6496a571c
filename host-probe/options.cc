#include "host-probe/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include "host-probe/http/listener.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "host-probe/pods/cluster_names.h"
#include "host-probe/pods/cri.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

constexpr int usage_error = 2;
constexpr const char* path_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

EarlyExit wrong_usage(const std::string& what) {
  return {usage_error, "host-probe: " + one_line(what) + "; 'host-probe --help' lists what can be given"};
}

const CLI::App* add_top(CLI::App& app, TopOptions& options) {
  static const std::map<std::string, SandboxOrder> orders{{"cpu", SandboxOrder::cpu},
                                                          {"memory", SandboxOrder::memory},
                                                          {"overhead", SandboxOrder::overhead},
                                                          {"name", SandboxOrder::name}};
  CLI::App* top = app.add_subcommand("top", "Show what each sandbox costs, live on a terminal, else once");
  HttpTarget& target = options.target;
  top->add_option("--address", target.address,
                  "HOST:PORT where host-probe serves, or its URL, as in https://node:9717/prefix")
      ->capture_default_str();
  top->add_option("--user", target.user, "User to log in as")->envname("KATAMETER_USER");
  top->add_option(
      "--password-file", target.password_file,
      "File with the password in its first line; without it, KATAMETER_PASSWORD of the environment is used");
  top->add_option("--ca-file", target.ca_file, "Authority of the server's certificate, PEM; by default the system's");
  top->add_option("--cert-file", target.cert_file, "Certificate to show to the server, PEM");
  top->add_option("--key-file", target.key_file, "Key of --cert-file, PEM");
  top->add_flag("--insecure", target.insecure, "Use TLS and do not verify the server's certificate");
  top->add_option("--interval", options.interval_seconds, "Seconds between two requests")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  top->add_option_function<std::string>(
         "--sort", [&options](const std::string& by) { options.order = orders.at(by); },
         "cpu, memory, overhead or name")
      ->default_str("cpu")
      ->check(CLI::IsMember(orders))
      ->type_name("TEXT");
  top->add_option("--filter", options.filter, "Only sandboxes that have this in NAMESPACE/POD or in their id");
  top->add_flag("--containers", options.containers, "With the containers of each sandbox");
  top->add_flag("--json", options.json, "Print once, as JSON");
  return top;
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
  Options options;
  std::string log_level = "info";
  std::string log_format = "logfmt";
  CLI::App app("Finds the Kata sandboxes of this node and serves their metrics to Prometheus.", "host-probe");
  app.add_option("--run-root", options.run_root, "Directory below which the runtime keeps its sandboxes (vc/vm/...)")
      ->capture_default_str();
  app.add_option(
         "--runtime-endpoint", options.runtime_endpoints,
         "Socket of the container runtime that knows the names of pods and containers, as in "
         "unix:///run/containerd/containerd.sock; repeatable. Without it, those of containerd, CRI-O, k3s, k0s and "
         "MicroK8s are tried. none: no runtime is asked, and names come from the bundles on the disk alone")
      ->delimiter(',');
  app.add_option(
         "--pods-from", options.pods_from,
         "Where names of pods and containers come from: runtime, the container runtime; api, the API server's list "
         "of this node's pods; or the URL of kubelet's, as in https://10.0.0.1:10250/pods. The runtime is asked for "
         "no names then")
      ->capture_default_str();
  app.add_option("--node-name", options.node_name, "This node as the API server calls it, for --pods-from=api")
      ->envname("NODE_NAME");
  app.add_option("--service-account", options.service_account,
                 "Directory with the token for --pods-from, and ca.crt, the authority of the server's certificate")
      ->capture_default_str();
  app.add_option(
         "--runtime-stats", options.runtime_stats,
         "Whether to ask the runtime, every 30 s at most, for the statistics of all containers, as kubelet does; "
         "those of guests without guest-probe have no other metrics")
      ->default_str("true");
  app.add_option("--guest.port", options.guest_port, "vsock port where guest-probe listens in the guests")
      ->capture_default_str()
      ->check(CLI::Range(std::uint32_t{1}, UINT32_MAX - 1));
  app.add_option("--web.listen-address", options.web.listen_addresses,
                 "IP:PORT, [IPv6]:PORT, NAME:PORT or :PORT (all addresses) to serve on; repeatable")
      ->capture_default_str();
  app.add_flag("--web.systemd-socket", options.web.systemd_socket,
               "Serve on the sockets that systemd passes (socket activation) instead");
  app.add_option("--web.telemetry-path", options.web.telemetry_path, "Path of the metrics")->capture_default_str();
  app.add_option(
      "--web.config.file", options.web.config_file,
      "TLS, client certificates, users, headers and a rate limit, in the format of the Prometheus exporters");
  app.add_option("--log.level", log_level, "debug, info, warning or error")->capture_default_str();
  app.add_option("--log.format", log_format, "logfmt or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"logfmt", "json"}));
  app.add_option("--state-file", options.state_file,
                 "Where run keeps the history that overhead stands on; empty: nowhere")
      ->capture_default_str();
  app.set_config("--config", "", "File with the same options, as in: run-root = \"/run\"")->check(CLI::ExistingFile);
  // The options' own names have dots, which would else stand for subcommands.
  app.get_config_formatter_base()->parentSeparator('\0');
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.set_version_flag("--version", std::string("host-probe ") + KATAMETER_VERSION);
  app.add_subcommand("run", "Serve until SIGTERM or SIGINT; the default")->fallthrough();
  const CLI::App* check_config =
      app.add_subcommand("check-config", "Say whether run would take these options and the files that they name")
          ->fallthrough();
  const CLI::App* overhead =
      app.add_subcommand("overhead",
                         "Print what sandboxes cost beyond their containers, and RuntimeClasses that say so")
          ->fallthrough();
  const CLI::App* top = add_top(app, options.top);
  const CLI::App* metrics = app.add_subcommand("metrics", "Print every metric that run serves, as Markdown");
  app.require_subcommand(0, 1);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, app.help()};
  } catch (const CLI::CallForVersion& version) {
    return EarlyExit{0, version.what()};
  } catch (const CLI::ConfigError& error) {
    return wrong_usage("--config " + app.get_config_ptr()->as<std::string>() + ": " + error.what());
  } catch (const CLI::Error& error) {
    return wrong_usage(error.what());
  }

  if (check_config->parsed()) options.command = Command::check_config;
  if (overhead->parsed()) options.command = Command::overhead;
  if (top->parsed()) options.command = Command::top;
  if (const char* password = std::getenv("KATAMETER_PASSWORD")) options.top.target.password = password;
  if (metrics->parsed()) options.command = Command::metrics;
  const Result<LogLevel> level = parse_log_level(log_level);
  if (!level) return wrong_usage("--log.level: " + level.error().text);
  options.log_level = *level;
  options.log_format = log_format == "json" ? LogFormat::json : LogFormat::logfmt;
  for (const std::string& address : options.web.listen_addresses) {
    const auto parsed = http::parse_listen_address(address);
    if (!parsed) return wrong_usage("--web.listen-address: " + parsed.error().text);
  }
  const std::string& path = options.web.telemetry_path;
  if (path.find_first_not_of(path_characters) != std::string::npos || !path.starts_with('/') ||
      path.starts_with("/-/") || path.starts_with("/api/")) {
    return wrong_usage("--web.telemetry-path: '" + path +
                       "' is not a path of letters, digits and -._~/, as /metrics is");
  }
  for (const std::string& endpoint : options.runtime_endpoints) {
    if (endpoint == no_runtime && options.runtime_endpoints.size() == 1) break;
    const auto socket = parse_runtime_endpoint(endpoint);
    if (!socket) return wrong_usage("--runtime-endpoint: " + socket.error().text);
  }
  const bool serves = options.command == Command::run || options.command == Command::check_config;
  if (serves && options.pods_from != pods_from_runtime) {
    const auto address = parse_pods_from(options.pods_from, options.node_name, options.service_account);
    if (!address) return wrong_usage("--pods-from: " + address.error().text);
  }
  return options;
}

namespace {

Result<Options> read_again(const CommandLine& command_line) {
  auto parsed = parse_options(command_line.argc, command_line.argv);
  if (auto* options = std::get_if<Options>(&parsed)) return std::move(*options);
  constexpr std::string_view program = "host-probe: ";
  std::string text = std::get<EarlyExit>(parsed).text;
  if (text.starts_with(program)) text.erase(0, program.size());
  return failure(std::move(text));
}

// What is open or in use from the start on stays; the log says so.
void keep_what_is_fixed(const Options& running, Options& fresh) {
  const auto keep = [](const char* option, const auto& before, auto& now) {
    if (before == now) return;
    log_warning("changed in the configuration: restart to apply", {{"option", option}});
    now = before;
  };
  keep("run-root", running.run_root, fresh.run_root);
  keep("pods-from", running.pods_from, fresh.pods_from);
  keep("node-name", running.node_name, fresh.node_name);
  keep("service-account", running.service_account, fresh.service_account);
  keep("runtime-stats", running.runtime_stats, fresh.runtime_stats);
  keep("guest.port", running.guest_port, fresh.guest_port);
  keep("state-file", running.state_file, fresh.state_file);
  keep("log.format", running.log_format, fresh.log_format);
  keep("web.listen-address", running.web.listen_addresses, fresh.web.listen_addresses);
  keep("web.systemd-socket", running.web.systemd_socket, fresh.web.systemd_socket);
  keep("web.telemetry-path", running.web.telemetry_path, fresh.web.telemetry_path);
}

Status apply(Options& running, const CommandLine& command_line, const ReloadActions& actions) {
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
  Status taken = apply(running, command_line, actions);
  OwnMetrics::of_process().count_reload(taken.has_value());
  if (taken) {
    log_info("configuration reloaded");
  } else {
    log_error("configuration not reloaded; keeping the previous one", {{"error", taken.error().text}});
  }
  return taken;
}

}  // namespace katameter::host
