#pragma once

#include <cstdint>
#include <optional>

#include "host-probe/processes/process_identity.h"

namespace katameter::host {

/// Whose process `pid` is by /proc/<pid>/cmdline, a kernel thread's by its name; nothing if it is no sandbox's, or has ended. For processes that ran
/// before us, once each: of those that start later the kernel sends the command line (exec_event).
std::optional<ProcessIdentity> identify_running(std::uint32_t pid);

}  // namespace katameter::host
