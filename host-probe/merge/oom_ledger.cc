#include "host-probe/merge/oom_ledger.h"

#include <set>
#include <utility>

namespace katameter {

void OomLedger::ended(const wire::Container& container, Time now) {
  if (!container.oom_kills) return;
  Entry& entry = entries_[container.id];
  entry.before += *container.oom_kills;
  entry.of_living = 0;
  entry.ended_at = now;
}

void OomLedger::living(const std::vector<wire::Container>& containers, Time now) {
  std::set<ContainerId> seen;
  for (const wire::Container& container : containers) {
    if (!container.oom_kills) continue;
    seen.insert(container.id);
    Entry& entry = entries_[container.id];
    // Fallen, it is another cgroup of this id, whose forerunner ended unseen.
    if (*container.oom_kills < entry.of_living) entry.before += entry.of_living;
    entry.of_living = *container.oom_kills;
    entry.ended_at.reset();
  }
  for (auto& [id, entry] : entries_) {
    if (!entry.ended_at && !seen.contains(id)) entry.ended_at = now;
  }
}

void OomLedger::all_ended(Time now) {
  // Of who had none there is nothing to remember; on a node where sandboxes come and go those are nearly all.
  std::erase_if(entries_, [](const auto& item) { return item.second.before + item.second.of_living == 0; });
  for (auto& [id, entry] : entries_) {
    if (!entry.ended_at) entry.ended_at = now;
  }
}

void OomLedger::guest_restarted(Time now) {
  all_ended(now);
  for (auto& [id, entry] : entries_) entry.before += std::exchange(entry.of_living, 0);
}

void OomLedger::expire(Time now) {
  std::erase_if(entries_,
                [&](const auto& item) { return item.second.ended_at && now - *item.second.ended_at >= window; });
  if (entries_.size() <= 2 * longest_memory) return;
  std::erase_if(entries_, [](const auto& item) { return item.second.ended_at.has_value(); });
}

std::map<ContainerId, std::uint64_t> OomLedger::kills() const {
  std::map<ContainerId, std::uint64_t> kills;
  for (const auto& [id, entry] : entries_) kills.emplace(id, entry.before + entry.of_living);
  return kills;
}

}  // namespace katameter
