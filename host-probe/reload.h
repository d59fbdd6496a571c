#pragma once

#include <functional>
#include <string>

#include "host-probe/options.h"
#include "userspace/result.h"

namespace katameter::host {

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
/// else that changed, the log says that it takes a restart. What is wrong is logged and returned, and then `running` and
/// all that it stands for is as before: half of a configuration is never taken over.
Status reload_options(Options& running, const CommandLine& command_line, const ReloadActions& actions);

}  // namespace katameter::host
