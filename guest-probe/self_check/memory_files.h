#pragma once

#include "guest-probe/self_check/check_cgroup.h"
#include "guest-probe/self_check/self_check.h"
#include "userspace/result.h"

namespace katameter {

/// Puts what the memory controller's files of a cgroup say now into `figures`. `unified`: it is one of cgroup v2.
Status read_memory_files(const CheckCgroup& cgroup, bool unified, FileFigures& figures);

}  // namespace katameter
