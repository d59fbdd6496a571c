#include "guest-probe/containers/cgroup_paths.h"

#include <cstring>

#include "guest-probe/containers/containers.h"

namespace katameter {

void CgroupPaths::learn(std::span<const name_record> names) {
  paths_.clear();
  std::vector<std::string> ancestors;  // paths from the root down to the last record's parent
  for (const name_record& record : names) {
    if (record.depth > ancestors.size()) continue;  // an orphan: its parent did not fit
    ancestors.resize(record.depth);
    std::string path = "/";
    if (record.depth > 0) {
      const std::string& parent = ancestors.back();
      const std::string_view name(record.name, strnlen(record.name, sizeof(record.name)));
      path = (parent == "/" ? parent : parent + "/") + printable(name);
    }
    ancestors.push_back(path);
    paths_.insert_or_assign(record.id, std::move(path));
  }
}

const std::string* CgroupPaths::find(std::uint64_t id) const {
  const auto found = paths_.find(id);
  return found == paths_.end() ? nullptr : &found->second;
}

}  // namespace katameter
