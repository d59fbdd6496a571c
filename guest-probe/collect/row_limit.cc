#include "guest-probe/collect/row_limit.h"

#include <algorithm>

namespace katameter::guest {

void RowLimit::apply(std::map<ContainerId, wire::Container>& rows, wire::Guest& guest) {
  std::uint64_t living = 0;
  std::uint64_t memory_bytes = 0;
  for (auto& [id, rest] : rest_) rest.seen = false;
  forget_unseen(rows);
  for (auto row = rows.begin(); row != rows.end();) {
    const wire::Container& container = row->second;
    if (has_row(container)) {
      ++row;
      continue;
    }
    Rest& rest = rest_[row->first];
    rest.seen = true;
    rest.cpu_usage_ns = std::max(rest.cpu_usage_ns, container.cpu_usage_ns.value_or(0));
    if (!container.removed) {
      ++living;
      memory_bytes += container.memory_usage_bytes.value_or(0);
    }
    row = rows.erase(row);
  }
  std::erase_if(rest_, [&](const auto& entry) {
    if (!entry.second.seen) ended_cpu_ns_ += entry.second.cpu_usage_ns;
    return !entry.second.seen;
  });
  exceeded_ = exceeded_ || living > 0;
  if (!exceeded_) return;
  guest.unattributed_containers = living;
  guest.unattributed_memory_usage_bytes = memory_bytes;
  std::uint64_t cpu_ns = ended_cpu_ns_;
  for (const auto& [id, rest] : rest_) cpu_ns += rest.cpu_usage_ns;
  guest.unattributed_cpu_usage_ns = cpu_ns;
}

bool RowLimit::has_row(const wire::Container& container) {
  if (rest_.contains(container.id)) return false;
  if (with_row_.contains(container.id) || container.removed) return true;
  if (with_row_.size() == rows_) return false;
  with_row_.insert(container.id);
  return true;
}

// A place is free as soon as its container is not alive any more.
void RowLimit::forget_unseen(const std::map<ContainerId, wire::Container>& rows) {
  std::erase_if(with_row_, [&](const ContainerId& id) {
    const auto row = rows.find(id);
    return row == rows.end() || row->second.removed;
  });
}

}  // namespace katameter::guest
