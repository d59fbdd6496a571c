#include "host-probe/node/ended_sandboxes.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "host-probe/own_metrics/own_metrics.h"

namespace katameter::host {
namespace {

SandboxReport report_of(const SandboxId& id, const SandboxHistory& history) {
  SandboxReport report;
  report.id = id;
  report.ended = true;
  report.place = history.place;
  report.oom_kills = history.oom_kills.kills();
  report.oom_events = history.oom_events;
  report.oom_kills_by_class = history.oom_kills_by_class;
  report.host_ooms = history.host_ooms;
  report.ended_containers = history.ended_containers.all();
  return report;
}

}  // namespace

void CpuByHandler::add(const SandboxId& id, SandboxAccounting& accounting, std::chrono::steady_clock::duration age) {
  const auto pod = names_ != nullptr ? id.cri_id() : std::nullopt;
  const auto names = pod ? names_->of(*pod) : nullptr;
  // A bundle of containerd's does not have the handler.
  const bool known = names && (!names->from_bundle || !names->runtime_handler.empty());
  if (pod && !known && age < handler_timeout) return;
  CpuByComponent& total = totals_[names ? names->runtime_handler : std::string()];
  const CpuByComponent gained = accounting.take_gained_cpu();
  for (std::size_t i = 0; i < cpu_components; ++i) total[i] += gained[i];
}

void EndedSandboxes::add(const SandboxId& id, SandboxHistory history, std::optional<SandboxAccounting> accounting,
                         bool has_last_values) {
  ++unread_;
  if (!history.has_values() && !accounting && !has_last_values) return forget_names(id);
  ended_.insert_or_assign(id, Ended{std::move(history), std::move(accounting).value_or(SandboxAccounting())});
  keep_bounds();
}

std::optional<EndedSandboxes::Ended> EndedSandboxes::take(const SandboxId& id) {
  auto ended = ended_.extract(id);
  if (!ended) return std::nullopt;
  return std::move(ended.mapped());
}

void EndedSandboxes::update(const std::map<SandboxId, SandboxProcesses>& processes, Time now) {
  unread_ = 0;
  for (auto& [id, ended] : ended_) {
    const auto found = processes.find(id);
    if (found == processes.end()) continue;
    ended.last_values = now;
    if (found->second.has_vmm()) ended.accounting.update_ended(found->second);
    for (const auto& [role, kills] : found->second.oom_kills) {
      if (kills == 0) continue;
      std::uint64_t& known = ended.history.host_ooms[role];
      known = std::max(known, kills);
    }
  }
}

void EndedSandboxes::expire(Time now) {
  for (auto item = ended_.begin(); item != ended_.end();) {
    const bool expired = item->second.history.expire(now) && now - item->second.last_values >= OomKillCounters::window;
    item = expired ? drop(item) : std::next(item);
  }
}

void EndedSandboxes::add_cpu() {
  for (auto& [id, ended] : ended_) cpu_.add_ended(id, ended.accounting);
}

void EndedSandboxes::report(std::vector<SandboxReport>& reports) const {
  for (const auto& [id, ended] : ended_) {
    if (ended.history.has_values()) reports.push_back(report_of(id, ended.history));
  }
}

void EndedSandboxes::keep_bounds() {
  const auto ended_at = [](const auto& item) { return item.second.history.ended_at; };
  std::size_t dropped = 0;
  if (ended_.size() > max) {
    const auto oldest = std::ranges::min_element(ended_, {}, ended_at);
    dropped += oldest->second.history.ended_containers.all().size();
    drop(oldest);
  }
  std::size_t containers = 0;
  for (const auto& [id, ended] : ended_) containers += ended.history.ended_containers.all().size();
  while (containers > max_containers) {
    const auto with_none = [](const auto& item) { return item.second.history.ended_containers.all().empty(); };
    const auto oldest = std::ranges::min_element(
        ended_, {}, [&](const auto& item) { return std::pair(with_none(item), ended_at(item)); });
    const std::size_t cleared = oldest->second.history.ended_containers.clear();
    containers -= cleared;
    dropped += cleared;
  }
  if (dropped > 0) OwnMetrics::of_process().count_guest_entries_left_out(GuestEntry::ended_container, dropped);
}

EndedSandboxes::Map::iterator EndedSandboxes::drop(Map::iterator ended) {
  cpu_.add_ended(ended->first, ended->second.accounting);
  forget_names(ended->first);
  return ended_.erase(ended);
}

void EndedSandboxes::forget_names(const SandboxId& id) {
  if (names_ == nullptr) return;
  if (const auto pod = id.cri_id()) names_->forget(*pod);
}

}  // namespace katameter::host
