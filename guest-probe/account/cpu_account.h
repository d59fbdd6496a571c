#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "bpf/guest/records.h"
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

/// What cAdvisor gives out as shares where there is a cpu.weight (cgroup v2).
std::uint64_t shares_of_weight(std::uint64_t weight);

/// Puts what a record holds into a container's row and leaves the row's other figures as they are.
void set_cpu(wire::Container& row, const cpu_record& record, const CpuFields& fields);

}  // namespace katameter
