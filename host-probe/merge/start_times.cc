#include "host-probe/merge/start_times.h"

#include <utility>

namespace katameter {

void HostStartTimes::connected(const std::string& boot_id) {
  if (std::exchange(boot_id_, boot_id) != boot_id) starts_.clear();
}

void HostStartTimes::take_over(const wire::Snapshot& snapshot, WallTime now) {
  std::map<ContainerId, Start> starts;
  for (const wire::Container& container : snapshot.containers) {
    if (!container.start_boottime_ns || *container.start_boottime_ns > snapshot.boottime_ns) continue;
    const auto known = starts_.find(container.id);
    if (known != starts_.end() && known->second.boottime_ns == *container.start_boottime_ns) {
      starts.insert(*known);
      continue;
    }
    const std::chrono::nanoseconds age(snapshot.boottime_ns - *container.start_boottime_ns);
    const auto began = std::chrono::floor<std::chrono::seconds>(now - age).time_since_epoch();
    // Of a removed cgroup and a new one of the same id the new one counts.
    if (container.removed && starts.contains(container.id)) continue;
    starts.insert_or_assign(container.id, Start{*container.start_boottime_ns, began.count()});
  }
  starts_ = std::move(starts);
}

HostStartTimes::Seconds HostStartTimes::of(const std::vector<wire::Container>& containers) const {
  Seconds seconds;
  for (const wire::Container& container : containers) {
    const auto known = starts_.find(container.id);
    if (known != starts_.end()) seconds.emplace(container.id, known->second.seconds);
  }
  return seconds;
}

}  // namespace katameter
