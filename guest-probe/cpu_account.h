#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "bpf/records.h"
#include "guest-probe/cgroup_paths.h"
#include "userspace/wire/container_id.h"

namespace katameter {

/// CPU time of the guest as one walk found it, ns.
struct CpuAccount {
  struct Container {
    std::uint64_t usage_ns = 0;  ///< struct cpuacct.cpuusage: all CPUs, nested cgroups included
    std::uint64_t cgroup_id = 0;
  };
  std::optional<std::uint64_t> root_ns;  ///< the root cgroup: everything that ran
  std::unordered_map<ContainerId, Container> containers;
};

/// Picks the containers out of a walk of the cpuacct hierarchy (v1: a cgroup's figure includes its children).
/// Cgroups whose directory is gone are left out: their last values come from the removal hook.
CpuAccount account_cpu(std::span<const cpu_record> walk, const CgroupPaths& paths);

}  // namespace katameter
