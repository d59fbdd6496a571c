#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "host-probe/cli/top.h"
#include "host-probe/http/server.h"
#include "userspace/log.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

enum class Command { run, check_config, metrics, overhead, top };

/// What the command line and the configuration file ask for.
struct Options {
  Command command = Command::run;
  std::string run_root = "/run";
  std::vector<std::string> runtime_endpoints;  // empty: the usual places
  std::string pods_from = "runtime";           // or as parse_pods_from() takes it
  std::string node_name;                       // as the API server has it; for pods_from "api"
  std::string service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
  bool runtime_stats = true;  // containers of guests without guest-probe have what the runtime says of them
  std::uint32_t guest_port = wire::default_port;
  http::Options web;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::logfmt;
  std::string state_file = "/var/lib/katameter/overhead.json";
  TopOptions top;
};

/// In pods_from: names come from the container runtime.
inline constexpr std::string_view pods_from_runtime = "runtime";

/// There is nothing to run: print `text` (to stderr if `status` is not 0) and leave with `status`.
struct EarlyExit {
  int status = 0;
  std::string text;
};

/// Reads the arguments. Wrong usage, a bad configuration file included, leaves with status 2 and one line that says
/// what to do.
std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

/// As main() got it.
struct CommandLine {
  int argc = 0;
  const char* const* argv = nullptr;
};

/// How a running host-probe takes over what is not its options' own business.
struct ReloadActions {
  /// Reads this web configuration file; on an error nothing has changed.
  std::function<Status(const std::string& file)> web;
  /// Asks the runtimes of these options for names; on an error those before.
  std::function<Status(const Options& options)> runtimes;
};

/// Reads the command line's files again and takes over log.level, web.config.file and runtime-endpoint. For anything
/// else that changed, the log says that it takes a restart. What is wrong is logged and returned, and then `running`
/// and all that it stands for is as before: half of a configuration is never taken over.
Status reload_options(Options& running, const CommandLine& command_line, const ReloadActions& actions);

}  // namespace katameter::host
