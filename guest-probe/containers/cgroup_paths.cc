#include "guest-probe/containers/cgroup_paths.h"

#include <cstring>

namespace katameter::guest {

void CgroupPaths::learn(std::span<const name_record> names) {
  learned_.clear();
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
    std::optional<ContainerId> container;
    if (record.id_begin != 0) container = ContainerId::from_hex({record.container, sizeof(record.container)});
    learned_.insert_or_assign(record.id, Learned{std::move(path), container});
  }
}

const std::string* CgroupPaths::find(std::uint64_t id) const {
  const auto found = learned_.find(id);
  return found == learned_.end() ? nullptr : &found->second.path;
}

std::optional<ContainerId> CgroupPaths::container_of(std::uint64_t id) const {
  const auto found = learned_.find(id);
  return found == learned_.end() ? std::nullopt : found->second.container;
}

}  // namespace katameter::guest
