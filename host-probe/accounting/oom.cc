#include "host-probe/accounting/oom.h"

#include <set>
#include <utility>

namespace katameter::host {

void OomKillCounters::container_ended(const wire::Container& container, Time now) {
  if (!container.oom_kills) return;
  Entry& entry = entries_[container.id];
  entry.before += *container.oom_kills;
  entry.of_living = 0;
  entry.ended_at = now;
}

void OomKillCounters::update(const std::vector<wire::Container>& living, Time now) {
  std::set<ContainerId> seen;
  for (const wire::Container& container : living) {
    if (!container.oom_kills) continue;
    seen.insert(container.id);
    Entry& entry = entries_[container.id];
    // Fallen, it is another cgroup of this id; the end of the one before was not seen.
    if (*container.oom_kills < entry.of_living) entry.before += entry.of_living;
    entry.of_living = *container.oom_kills;
    entry.ended_at.reset();
  }
  for (auto& [id, entry] : entries_) {
    if (!entry.ended_at && !seen.contains(id)) entry.ended_at = now;
  }
}

void OomKillCounters::add_unreported(const ContainerId& container, Time now) {
  Entry& entry = entries_[container];
  ++entry.before;
  if (!entry.ended_at) entry.ended_at = now;
}

void OomKillCounters::rebase(const std::vector<wire::Container>& containers) {
  for (const wire::Container& container : containers) {
    const auto known = entries_.find(container.id);
    if (known == entries_.end() || !container.oom_kills) continue;
    Entry& entry = known->second;
    const std::uint64_t total = entry.before + entry.of_living;
    const bool goes_back = *container.oom_kills < entry.of_living || entry.ended_at.has_value();
    if (!goes_back || *container.oom_kills > total) continue;
    entry.before = total - *container.oom_kills;
    entry.of_living = *container.oom_kills;
  }
}

void OomKillCounters::all_ended(Time now) {
  // Drop containers without kills: on busy nodes that is nearly all of them.
  std::erase_if(entries_, [](const auto& item) { return item.second.before + item.second.of_living == 0; });
  for (auto& [id, entry] : entries_) {
    if (!entry.ended_at) entry.ended_at = now;
  }
}

void OomKillCounters::guest_booted(Time now) {
  all_ended(now);
  for (auto& [id, entry] : entries_) entry.before += std::exchange(entry.of_living, 0);
}

void OomKillCounters::expire(Time now) {
  std::erase_if(entries_,
                [&](const auto& item) { return item.second.ended_at && now - *item.second.ended_at >= window; });
  if (entries_.size() <= 2 * max_ended_containers) return;
  std::erase_if(entries_, [](const auto& item) { return item.second.ended_at.has_value(); });
}

std::map<ContainerId, std::uint64_t> OomKillCounters::kills() const {
  std::map<ContainerId, std::uint64_t> kills;
  for (const auto& [id, entry] : entries_) kills.emplace(id, entry.before + entry.of_living);
  return kills;
}

bool OomEventFilter::is_new(const wire::OomEvent& event) {
  if (event.sequence <= sequence_) return false;
  sequence_ = event.sequence;
  return true;
}

LogFields describe(const SandboxId& sandbox, const wire::OomEvent& event) {
  LogFields fields{{"sandbox", sandbox.text()}};
  if (event.container) fields.emplace_back("container", event.container->hex());
  fields.emplace_back("pid", event.victim_pid);
  fields.emplace_back("comm", event.victim_comm);
  fields.emplace_back("rss_bytes", event.victim_anon_bytes + event.victim_file_bytes + event.victim_shmem_bytes);
  fields.emplace_back("limit_bytes", event.memory_limit_bytes);
  fields.emplace_back("class", wire::name(event.oom_class));
  if (!event.limit_cgroup.empty()) fields.emplace_back("limit_cgroup", event.limit_cgroup);
  return fields;
}

}  // namespace katameter::host
