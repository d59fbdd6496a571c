#pragma once

#include <cstdint>
#include <unordered_map>

#include "bpf/guest/records.h"
#include "guest-probe/account/monotonic_by_cgroup.h"
#include "guest-probe/containers/cgroup_paths.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Run time, run-queue wait and switches per container: the kernel programs' sums, those included of containers that are
/// gone, for a task's last figures come when RCU is done with it. No figure falls.
class SchedAccount {
 public:
  /// One reading: begin(), add() each record, then end().
  void begin();
  void add(const sched_record& record) { sums_[record.container_id] = record; }
  /// `paths` are those of the living cgroups.
  void end(const CgroupPaths& paths);

  /// The sums of a removed cgroup are still those of its container.
  void removed(std::uint64_t cgroup_id, const ContainerId& container) { owners_.emplace(cgroup_id, container); }

  /// Puts what is known of the row's container into it. A removed one gets the same values in each snapshot that has it.
  void complete(wire::Container& row);

 private:
  using Counters = MonotonicByCgroup<SCHED_FIGURES, ContainerId>;
  using Sums = Counters::Counters;
  std::unordered_map<std::uint64_t, sched_record> sums_;
  std::unordered_map<std::uint64_t, ContainerId> owners_;  // of the cgroups that have sums
  Counters containers_;
  std::unordered_map<ContainerId, Sums> finals_;       // reported of removed containers
  std::unordered_map<ContainerId, Sums> last_finals_;  // in the snapshot before
};

}  // namespace katameter::guest
