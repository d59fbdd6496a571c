#include "guest-probe/account/sched_account.h"

#include <algorithm>
#include <utility>

namespace katameter {

void SchedAccount::begin() {
  sums_.clear();
  last_finals_ = std::exchange(finals_, {});
}

void SchedAccount::end(const CgroupPaths& paths) {
  for (const auto& [id, sums] : sums_) {
    if (owners_.contains(id)) continue;
    if (const auto container = paths.container_of(id)) owners_.emplace(id, *container);
  }
  std::erase_if(owners_, [&](const auto& owner) { return !sums_.contains(owner.first); });

  std::unordered_map<ContainerId, Sums> containers;
  for (const auto& [id, owner] : owners_) {
    Sums& container = containers[owner];
    for (std::size_t i = 0; i < SCHED_FIGURES; ++i) container[i] += sums_[id].sum[i];
  }
  // A cgroup that is long gone may have had to give way in the kernel's map.
  for (auto& [id, now] : containers) {
    const auto last = containers_.find(id);
    if (last == containers_.end()) continue;
    for (std::size_t i = 0; i < SCHED_FIGURES; ++i) now[i] = std::max(now[i], last->second[i]);
  }
  containers_ = std::move(containers);
}

void SchedAccount::complete(wire::Container& row) {
  const auto found = containers_.find(row.id);
  Sums sums = found == containers_.end() ? Sums{} : found->second;
  if (row.removed) {
    const auto told = last_finals_.find(row.id);
    if (told != last_finals_.end()) sums = told->second;
    finals_.emplace(row.id, sums);
  }
  row.sched_run_ns = sums[SCHED_RUN];
  row.sched_wait_ns = sums[SCHED_WAIT];
  row.sched_periods = sums[SCHED_PERIODS];
  row.voluntary_switches = sums[SCHED_VOLUNTARY];
  row.involuntary_switches = sums[SCHED_INVOLUNTARY];
}

}  // namespace katameter
