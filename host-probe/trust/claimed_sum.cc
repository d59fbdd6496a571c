#include "host-probe/trust/claimed_sum.h"

#include <algorithm>
#include <utility>

namespace katameter {

std::uint64_t ClaimedSum::add(std::uint64_t boot, const wire::Guest& guest,
                              const std::vector<wire::Container>& containers) {
  const bool first = boot_ != boot;
  if (first) *this = {};
  boot_ = boot;
  // One that had no row, and gets one, had used most of its time before.
  const bool without_row = guest.containers_unreported > 0 || guest.unattributed_containers.value_or(0) > 0;
  const bool before = std::exchange(some_without_row_, without_row);
  const bool counts_new = !first && !before && !without_row;
  add_system(guest);
  add_containers(containers, counts_new);
  return sum_ns_;
}

void ClaimedSum::add_system(const wire::Guest& guest) {
  if (!guest.cpu_usage_ns || !guest.workload_cpu_usage_ns) return;
  if (*guest.cpu_usage_ns < *guest.workload_cpu_usage_ns) return;
  const std::uint64_t now = *guest.cpu_usage_ns - *guest.workload_cpu_usage_ns;
  const std::uint64_t last = system_ns_.value_or(now);
  // The two are read a moment apart: their difference may fall.
  sum_ns_ += now - std::min(now, last);
  system_ns_ = std::max(now, last);
}

void ClaimedSum::add_containers(const std::vector<wire::Container>& containers, bool counts_new) {
  for (auto& [id, row] : rows_) ++row.absent;
  for (const wire::Container& container : containers) {
    const wire::Figure& now = container.cpu_usage_ns;
    const auto [entry, is_new] = rows_.try_emplace(container.id);
    Row& row = entry->second;
    if (is_new && counts_new) sum_ns_ += now.value_or(0);
    // Fallen, it is another cgroup of this id. Without a figure before, it may have used any time before.
    if (now && row.last) sum_ns_ += *now >= *row.last ? *now - *row.last : *now;
    row = {now, 0};
  }
  std::erase_if(rows_, [](const auto& row) { return row.second.absent > longest_absence; });
}

}  // namespace katameter
