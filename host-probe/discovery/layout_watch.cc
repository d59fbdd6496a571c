#include "host-probe/discovery/layout_watch.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "host-probe/own_metrics/own_metrics.h"

namespace katameter::host {
namespace {

bool is_socket(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

std::set<ContainerId> valid_entries(const std::string& directory) {
  std::set<ContainerId> ids;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(directory.c_str()), &closedir);
  if (!listing) return ids;
  while (const dirent* entry = readdir(listing.get())) {
    if (const auto id = ContainerId::from_hex(entry->d_name)) ids.insert(*id);
  }
  return ids;
}

}  // namespace

LayoutWatch::LayoutWatch(Inotify& inotify, const std::string& run_root, const Layout& layout, DiscoveryEvents events,
                         LogLevel unseen)
    : layout_(layout),
      events_(std::move(events)),
      watcher_(inotify, [this](const Inotify::Event& event) { on_event(event); }),
      root_(watcher_, run_root, layout.root, unseen) {
  root_.walk();
  scan();
}

void LayoutWatch::leave() {
  while (!candidates_.empty()) forget(ContainerId(candidates_.begin()->first));
}

void LayoutWatch::on_event(const Inotify::Event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    OwnMetrics::of_process().count_inotify_overflow();
    log_warning("inotify events were lost: listing the directory", {{"directory", root_.path()}});
    attach();
    return scan();
  }
  if (root_.concerns(event)) attach();
  if (event.name.empty()) return;
  if (event.watch == root_.directory()) entry_changed(event);
  if (!may_be_marker(event.name)) return;
  const auto [first, last] = by_watch_.equal_range(event.watch);
  std::vector<ContainerId> ids;  // copied: callbacks may change the map
  for (auto item = first; item != last; ++item) ids.push_back(item->second);
  for (const ContainerId& id : ids) look_for_markers(id);
}

void LayoutWatch::attach() {
  const int before = root_.directory();
  root_.walk();
  if (root_.directory() == before) return;
  leave();
  scan();
}

void LayoutWatch::scan() {
  const std::set<ContainerId> listed = root_.directory() >= 0 ? valid_entries(root_.path()) : std::set<ContainerId>();
  std::vector<ContainerId> unlisted;
  for (const auto& [id, candidate] : candidates_) {
    if (!listed.contains(id)) unlisted.push_back(id);
  }
  for (const ContainerId& id : unlisted) forget(id);
  for (const ContainerId& id : listed) consider(id);
}

void LayoutWatch::entry_changed(const Inotify::Event& event) {
  const auto id = ContainerId::from_hex(event.name);
  if (!id) return;
  if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) forget(*id);
  if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) consider(*id);
}

void LayoutWatch::consider(const ContainerId& id) {
  const Result<int> watch = watcher_.watch(directory_of(id));
  if (!watch) {
    if (watch.error().code != ENOENT && watch.error().code != ENOTDIR) {
      log_warning("cannot watch a sandbox", {{"sandbox", id.hex()}, {"error", watch.error().text}});
    }
    return;
  }
  const auto known = candidates_.find(id);
  if (known != candidates_.end() && known->second.watch != *watch) forget(id);
  if (candidates_.try_emplace(id, Candidate{*watch}).second) by_watch_.emplace(*watch, id);
  look_for_markers(id);
}

bool LayoutWatch::may_be_marker(std::string_view name) const {
  return name == nested_directory ||
         std::ranges::any_of(layout_.markers, [&](const Marker& marker) { return marker.path.ends_with(name); });
}

void LayoutWatch::watch_nested(const ContainerId& id, Candidate& candidate) {
  const auto nested = [](const Marker& marker) { return marker.path.find('/') != std::string_view::npos; };
  if (std::ranges::none_of(layout_.markers, nested)) return;
  const Result<int> watch = watcher_.watch(directory_of(id) + "/" + std::string(nested_directory));
  const int now = watch ? *watch : -1;
  if (now == candidate.nested) return;
  const int before = std::exchange(candidate.nested, now);
  std::erase_if(by_watch_, [&](const auto& item) { return item.first == before && item.second == id; });
  unwatch(before);
  if (now >= 0) by_watch_.emplace(now, id);
}

void LayoutWatch::look_for_markers(const ContainerId& id) {
  const auto known = candidates_.find(id);
  if (known == candidates_.end()) return;  // a callback has changed the map
  Candidate& candidate = known->second;
  // Before the look, so that what comes in between has its event.
  watch_nested(id, candidate);
  const std::string directory = directory_of(id);
  const auto found = std::ranges::find_if(
      layout_.markers, [&](const Marker& marker) { return is_socket(directory + "/" + std::string(marker.path)); });
  const Marker* present = found == layout_.markers.end() ? nullptr : &*found;
  if (present == candidate.present) return;
  const Marker* before = std::exchange(candidate.present, present);
  if (before != nullptr) events_.gone(id);
  if (present == nullptr) return;
  events_.appeared({id, directory, std::string(present->path), std::string(present->hypervisor), present->reach});
}

void LayoutWatch::unwatch(int watch) {
  if (watch >= 0 && !by_watch_.contains(watch) && !root_.uses(watch)) watcher_.unwatch(watch);
}

void LayoutWatch::forget(const ContainerId& id) {
  const auto known = candidates_.find(id);
  if (known == candidates_.end()) return;
  const Candidate candidate = known->second;
  candidates_.erase(known);
  std::erase_if(by_watch_, [&](const auto& item) { return item.second == id; });
  unwatch(candidate.watch);
  unwatch(candidate.nested);
  if (candidate.present != nullptr) events_.gone(id);
}

}  // namespace katameter::host
