#pragma once

#include <string>
#include <string_view>

namespace katameter::guest {

/// This process's cgroup in the hierarchy of a v1 controller, from the text of /proc/self/cgroup (cgroups(7)): a path
/// that begins with / and counts from the hierarchy's mount. Where no v1 hierarchy has the controller, that of v2; empty
/// if there is none either.
std::string own_cgroup(std::string_view proc_self_cgroup, std::string_view controller);

/// The same of the running process.
std::string own_cgroup_of(std::string_view controller);

/// The folder in which that cgroup lies, as it is to be appended to the mount point: empty for the top.
std::string folder_of_own_cgroup(std::string_view controller);

}  // namespace katameter::guest
