#include "guest-probe/account/sched_account.h"

#include <utility>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {

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
  containers_.begin();
  for (auto& [id, now] : containers) containers_.raise(id, now);
}

void SchedAccount::complete(wire::Container& row) {
  const Sums* found = containers_.find(row.id);
  Sums sums = found == nullptr ? Sums{} : *found;
  if (row.removed) {
    const auto reported = last_finals_.find(row.id);
    if (reported != last_finals_.end()) sums = reported->second;
    finals_.emplace(row.id, sums);
  }
  set_figures<FigureGroup::schedstat>(row, {FigureGroup::schedstat}, [&](std::size_t index) { return sums[index]; });
}

}  // namespace katameter::guest
