#pragma once

#include <map>
#include <string>
#include <string_view>

#include "userspace/result.h"

namespace katameter::guest {

/// Where the cgroup hierarchies are mounted, for this process.
struct CgroupMounts {
  std::map<std::string, std::string, std::less<>> v1;  ///< controller -> mount point; co-mounted ones each
  std::string v2;                                      ///< the unified hierarchy; empty = not mounted
};

/// From the text of a mountinfo file (proc(5)). Lines of other mounts are skipped.
CgroupMounts parse_cgroup_mounts(std::string_view mountinfo);

/// Of this process: /proc/self/mountinfo.
Result<CgroupMounts> read_cgroup_mounts();

/// This process's cgroup in the hierarchy of a v1 controller, from the text of /proc/self/cgroup (cgroups(7)): a path
/// that begins with / and counts from the hierarchy's mount. Where no v1 hierarchy has the controller, that of v2; empty
/// if there is none either.
std::string own_cgroup(std::string_view proc_self_cgroup, std::string_view controller);

/// The same of the running process.
std::string own_cgroup_of(std::string_view controller);

/// The folder in which that cgroup lies, as it is to be appended to the mount point: empty for the top.
std::string folder_of_own_cgroup(std::string_view controller);

}  // namespace katameter::guest
