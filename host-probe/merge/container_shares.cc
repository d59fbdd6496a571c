#include "host-probe/merge/container_shares.h"

#include <algorithm>
#include <utility>

namespace katameter {

void ContainerShares::update(const std::vector<wire::Container>& containers, std::uint64_t workload_step_ns,
                             std::uint64_t guest_step_ns, bool divided) {
  const auto before = std::exchange(last_, {});
  std::map<ContainerId, std::uint64_t> steps;
  std::uint64_t sum = 0;
  for (const wire::Container& container : containers) {
    if (!container.cpu_usage_ns) continue;
    const auto known = before.find(container.id);
    const std::uint64_t last = known == before.end() ? 0 : known->second;
    // Fallen, it is another cgroup of this id.
    const std::uint64_t step =
        *container.cpu_usage_ns >= last ? *container.cpu_usage_ns - last : *container.cpu_usage_ns;
    steps[container.id] = step;
    sum += step;
    last_[container.id] = *container.cpu_usage_ns;
  }
  // The guest reads the containers and their sum a moment apart.
  const double whole = static_cast<double>(std::max(sum, guest_step_ns));
  const double rate = divided && whole > 0 ? static_cast<double>(workload_step_ns) / whole : 0;
  const auto had = std::exchange(host_cpu_ns_, {});
  for (const auto& [id, step] : steps) {
    const auto known = had.find(id);
    host_cpu_ns_[id] =
        (known == had.end() ? 0 : known->second) + static_cast<std::uint64_t>(static_cast<double>(step) * rate);
  }
}

}  // namespace katameter
