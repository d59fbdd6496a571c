#include "userspace/cgroup_mounts.h"

#include <fstream>
#include <sstream>
#include <vector>

namespace katameter {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
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

}  // namespace katameter
