#include "guest-probe/cpu_account.h"

#include "guest-probe/containers.h"

namespace katameter {

CpuAccount account_cpu(std::span<const cpu_record> walk, const CgroupPaths& paths) {
  CpuAccount account;
  for (const cpu_record& record : walk) {
    if (record.node.depth == 0) account.root_ns = record.usage_ns;
    if ((record.node.flags & NODE_ONLINE) == 0) continue;
    const std::string* path = paths.find(record.node.id);
    const auto place = path == nullptr ? std::nullopt : container_of_path(*path);
    if (!place || place->nested) continue;
    account.containers.insert_or_assign(place->id, CpuAccount::Container{record.usage_ns, record.node.id});
  }
  return account;
}

}  // namespace katameter
