#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "host-probe/cli/top.h"
#include "host-probe/http/server.h"
#include "userspace/log.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

enum class Command { run, check_config, metrics, overhead, top };

/// What the command line and the configuration file ask for.
struct Options {
  Command command = Command::run;
  std::string run_root = "/run";
  std::vector<std::string> runtime_endpoints;  // empty: the usual places
  std::uint32_t guest_port = wire::default_port;
  http::Options web;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::logfmt;
  std::string state_file = "/var/lib/katameter/overhead.json";
  TopOptions top;
};

/// There is nothing to run: print `text` (to stderr if `status` is not 0) and leave with `status`.
struct Leave {
  int status = 0;
  std::string text;
};

/// Reads the arguments. Wrong usage, a bad configuration file included, leaves with status 2 and one line that says
/// what to do.
std::variant<Options, Leave> parse_options(int argc, const char* const* argv);

}  // namespace katameter::host
