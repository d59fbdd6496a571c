#include "host-probe/discovery/layout_watch.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "host-probe/own_metrics/own_metrics.h"

namespace katameter::host {
namespace {

bool is_directory(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

}  // namespace

RootWatch::RootWatch(Inotify::Watcher& watcher, const std::string& run_root, std::string_view below,
                     LogLevel error_level)
    : watcher_(watcher), error_level_(error_level) {
  levels_.push_back({"/", ""});
  const auto descend = [this](const std::filesystem::path& path) {
    for (const auto& part : path.relative_path()) {
      if (part.empty()) continue;  // what a trailing slash leaves
      const std::string& above = levels_.back().path;
      levels_.push_back({(above == "/" ? "" : above) + "/" + part.string(), part.string()});
    }
  };
  descend(run_root);
  run_root_ = levels_.size() - 1;
  descend(std::filesystem::path(below));
}

std::size_t RootWatch::nearest_existing() const {
  std::size_t level = run_root_;
  while (level > 0 && !is_directory(levels_[level].path)) --level;
  return level;
}

bool RootWatch::watch_level(std::size_t level, std::map<int, std::size_t>& watches) {
  const Result<int> watch = watcher_.watch(levels_[level].path);
  if (watch) {
    watches.emplace(*watch, level);
    if (level + 1 == levels_.size()) directory_ = *watch;
    return true;
  }
  if (watch.error().code != ENOENT && watch.error().code != ENOTDIR) {
    log(error_level_, "cannot watch a directory of sandboxes", {{"directory", path()}, {"error", watch.error().text}});
  }
  return false;
}

void RootWatch::walk() {
  std::map<int, std::size_t> watches;
  directory_ = -1;
  // Each level is watched before the next is looked for, so that one made in between has its event.
  for (std::size_t level = nearest_existing(); level < levels_.size() && watch_level(level, watches);) ++level;
  for (const auto& [watch, level] : watches_) {
    if (!watches.contains(watch)) watcher_.unwatch(watch);
  }
  watches_ = std::move(watches);
}

bool RootWatch::affects(const Inotify::Event& event) const {
  const auto found = watches_.find(event.watch);
  if (found == watches_.end()) return false;
  if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) return true;
  const std::size_t below = found->second + 1;
  return below < levels_.size() && event.name == levels_[below].name;
}

namespace {

// A link is none: it could lead host-probe to any socket that root can connect to.
bool is_socket(const std::string& path) {
  struct stat found {};
  return lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
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
                         LogLevel error_level, std::size_t max_sandboxes)
    : layout_(layout),
      max_sandboxes_(max_sandboxes),
      events_(std::move(events)),
      watcher_(inotify, [this](const Inotify::Event& event) { on_event(event); }),
      root_(watcher_, run_root, layout.root, error_level) {
  root_.walk();
  scan();
}

void LayoutWatch::clear() {
  while (!candidates_.empty()) forget(ContainerId(candidates_.begin()->first));
}

void LayoutWatch::on_event(const Inotify::Event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    OwnMetrics::of_process().count_inotify_overflow();
    log_warning("inotify events were lost: listing the directory", {{"directory", root_.path()}});
    attach();
    return scan();
  }
  if (root_.affects(event)) attach();
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
  clear();
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
  if (candidates_.size() >= max_sandboxes_ && !candidates_.contains(id)) {
    if (!std::exchange(warned_of_limit_, true)) {
      log_warning("a user has more sandboxes than are watched",
                  {{"directory", root_.path()}, {"limit", max_sandboxes_}});
    }
    return;
  }
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
         std::ranges::any_of(layout_.markers, [&](const SocketMarker& marker) { return marker.path.ends_with(name); });
}

void LayoutWatch::watch_nested(const ContainerId& id, Candidate& candidate) {
  const auto nested = [](const SocketMarker& marker) { return marker.path.find('/') != std::string_view::npos; };
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
  const auto found = std::ranges::find_if(layout_.markers, [&](const SocketMarker& marker) {
    return is_socket(directory + "/" + std::string(marker.path));
  });
  const SocketMarker* present = found == layout_.markers.end() ? nullptr : &*found;
  if (present == candidate.present) return;
  const SocketMarker* before = std::exchange(candidate.present, present);
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
