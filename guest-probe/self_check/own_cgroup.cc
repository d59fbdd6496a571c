#include "guest-probe/self_check/own_cgroup.h"

#include <fstream>
#include <sstream>

namespace katameter::guest {
namespace {

bool lists(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const std::size_t comma = controllers.find(',');
    if (controllers.substr(0, comma) == wanted) return true;
    controllers.remove_prefix(comma == std::string_view::npos ? controllers.size() : comma + 1);
  }
  return false;
}

}  // namespace

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
