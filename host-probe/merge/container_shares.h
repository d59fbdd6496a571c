#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "userspace/wire/messages.h"

namespace katameter {

/// Divides a sandbox's workload CPU time between its containers: what each had of the host's CPU, as the guest says
/// they divided theirs. No container's figure falls; together they never have more than the workload.
class ContainerShares {
 public:
  /// `workload_step_ns`: of the account's last step; `divided`: that step was divided, else containers only begin anew
  /// from what they have. `guest_step_ns`: what the guest's own count of all containers grew by.
  void update(const std::vector<wire::Container>& containers, std::uint64_t workload_step_ns,
              std::uint64_t guest_step_ns, bool divided);

  /// Host CPU time by container, of those that the last update had.
  const std::map<ContainerId, std::uint64_t>& host_cpu_ns() const { return host_cpu_ns_; }

 private:
  std::map<ContainerId, std::uint64_t> last_;
  std::map<ContainerId, std::uint64_t> host_cpu_ns_;
};

}  // namespace katameter
