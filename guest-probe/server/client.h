#pragma once

#include <string>

#include "guest-probe/server/snapshot_text.h"
#include "userspace/result.h"

namespace katameter::guest {

/// Asks a running guest-probe for one snapshot over its Unix socket. Acknowledges nothing: that is the host's to do.
/// Gives up with an error after `timeout_s` without a byte, or in which every Collect was refused.
Result<Dump> ask_daemon(const std::string& socket_path, int timeout_s);

}  // namespace katameter::guest
