#pragma once

#include <string>

#include "guest-probe/self_check/self_check.h"
#include "userspace/result.h"

namespace katameter {

/// Puts what the memory controller's files in a cgroup's directory say now into `figures`. `unified`: it is one of
/// cgroup v2.
Status read_memory_files(const std::string& directory, bool unified, FileFigures& figures);

}  // namespace katameter
