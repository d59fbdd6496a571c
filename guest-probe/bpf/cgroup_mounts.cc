#include "guest-probe/bpf/cgroup_mounts.h"

#include <fstream>
#include <sstream>
#include <vector>

namespace katameter::guest {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool lists(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const std::size_t comma = controllers.find(',');
    if (controllers.substr(0, comma) == wanted) return true;
    controllers.remove_prefix(comma == std::string_view::npos ? controllers.size() : comma + 1);
  }
  return false;
}

}  // namespace

CgroupMounts parse_cgroup_mounts(std::string_view mountinfo) {
  CgroupMounts mounts;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // 36 35 98:0 /root MOUNT_POINT options [tags] - TYPE source SUPER_OPTIONS
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> before = split(line.substr(0, dash), ' ');
    const std::vector<std::string> after = split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    // Of several mounts of one hierarchy the first counts.
    if (after[0] == "cgroup2" && mounts.v2.empty()) mounts.v2 = before[4];
    if (after[0] != "cgroup") continue;
    for (const std::string& option : split(after[2], ',')) mounts.v1.emplace(option, before[4]);
  }
  return mounts;
}

Result<CgroupMounts> read_cgroup_mounts() {
  std::ifstream file("/proc/self/mountinfo");
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return system_failure("cannot read /proc/self/mountinfo");
  return parse_cgroup_mounts(text.str());
}

std::string own_cgroup(std::string_view proc_self_cgroup, std::string_view controller) {
  std::string unified;
  std::istringstream lines{std::string(proc_self_cgroup)};
  for (std::string line; std::getline(lines, line);) {
    // ID:CONTROLLERS:PATH, without controllers for v2; the path may have colons.
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (lists(controllers, controller)) return line.substr(second + 1);
    if (controllers.empty()) unified = line.substr(second + 1);
  }
  return unified;
}

std::string own_cgroup_of(std::string_view controller) {
  std::ifstream file("/proc/self/cgroup");
  std::ostringstream text;
  text << file.rdbuf();
  return own_cgroup(text.str(), controller);
}

std::string folder_of_own_cgroup(std::string_view controller) {
  const std::string own = own_cgroup_of(controller);
  const std::size_t slash = own.rfind('/');
  return slash == std::string::npos ? "" : own.substr(0, slash);
}

}  // namespace katameter::guest
