#pragma once

#include <string>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Connects to the Unix socket `name` in `directory`, non-blocking. Paths longer than a socket address holds (107
/// bytes) are reached through a descriptor of the directory. ENOENT and ECONNREFUSED mean that nobody listens.
Result<Fd> connect_unix(const std::string& directory, const std::string& name);

}  // namespace katameter
