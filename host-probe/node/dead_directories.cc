#include "host-probe/node/dead_directories.h"

#include <cerrno>
#include <optional>
#include <utility>

#include "host-probe/guest/connect.h"
#include "host-probe/processes/limitations.h"
#include "userspace/log.h"

namespace katameter::host {

bool DeadDirectories::is_dead(const SandboxPlace& place) const {
  if (processes_ != nullptr && (processes_->lives(place.id) || processes_->lives(place.vm()))) return false;
  const auto find_vmm = [this, &place] { return processes_ != nullptr ? processes_->vmm(place.id) : std::nullopt; };
  const Status found = look_for_vmm({place.directory, place.socket, guest_port_, place.reach, find_vmm});
  if (found) return false;
  const int code = found.error().code;
  if (place.reach == Reach::hybrid) return code == ECONNREFUSED;
  if (proc_lacks_processes({})) return false;
  return code == ESRCH || (code == ENOENT && processes_ != nullptr);
}

std::vector<SandboxPlace> DeadDirectories::take_living() {
  std::vector<SandboxPlace> living;
  for (auto item = dead_.begin(); item != dead_.end();) {
    auto& [place, logged] = item->second;
    if (!is_dead(place)) {
      living.push_back(std::move(place));
      item = dead_.erase(item);
      continue;
    }
    if (!std::exchange(logged, true)) {
      log_info("a directory without a living sandbox is passed over",
               {{"sandbox", place.id.text()}, {"directory", place.directory}});
    }
    ++item;
  }
  return living;
}

}  // namespace katameter::host
