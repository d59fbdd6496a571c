#pragma once

#include <map>
#include <string>
#include <string_view>

#include "userspace/result.h"

namespace katameter {

/// Where the cgroup hierarchies are mounted, for this process.
struct CgroupMounts {
  std::map<std::string, std::string, std::less<>> v1;  ///< controller -> mount point; co-mounted ones each
  std::string v2;                                      ///< the unified hierarchy; empty = not mounted
};

/// From the text of a mountinfo file (proc(5)). Lines that are no cgroup mount are skipped.
CgroupMounts parse_cgroup_mounts(std::string_view mountinfo);

/// Of this process: /proc/self/mountinfo.
Result<CgroupMounts> read_cgroup_mounts();

}  // namespace katameter
