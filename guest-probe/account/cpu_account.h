#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "bpf/records.h"
#include "guest-probe/containers/cgroup_paths.h"
#include "userspace/wire/container_id.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Which CPU and task figures are served: what the plan has, less what the self-check refused.
struct CpuFields {
  bool usage = true;
  bool user = true;
  bool system = true;
  bool periods = true;
  bool throttled_periods = true;
  bool throttled_ns = true;
  bool quota = true;
  bool period = true;
  bool shares = true;
  bool threads = true;
  bool threads_max = true;
};

/// What one walk found of the guest's CPU time and tasks.
struct CpuAccount {
  std::optional<std::uint64_t> root_ns;  ///< the root cgroup: everything that ran; none where cpuacct is elsewhere
  std::unordered_map<ContainerId, cpu_record> containers;  ///< each one's own cgroup, nested ones included
};

/// Picks the containers out of a walk (v1: a cgroup's figure includes its children).
/// Cgroups whose directory is gone are left out: their last values come from the removal hook.
CpuAccount account_cpu(std::span<const cpu_record> walk, const CgroupPaths& paths);

/// What cAdvisor gives out as shares where there is a cpu.weight (cgroup v2).
std::uint64_t shares_of_weight(std::uint64_t weight);

/// Puts what a record holds into a container's row and leaves the row's other figures as they are.
void set_cpu(wire::Container& row, const cpu_record& record, const CpuFields& fields);

}  // namespace katameter
