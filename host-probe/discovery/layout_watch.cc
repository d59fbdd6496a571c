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

#include "host-probe/discovery/sandbox_list.h"
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

bool RootWatch::was_removed() const {
  std::size_t last = 0;  // removed directories are empty, so it is the last one that exists
  for (const auto& [watch, level] : watches_) last = std::max(last, level);
  struct stat found {};
  return stat(levels_[last].path.c_str(), &found) == 0 && found.st_nlink == 0;
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

std::vector<std::string> entries_of(const std::string& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(directory.c_str()), &closedir);
  if (!listing) return names;
  while (const dirent* entry = readdir(listing.get())) names.emplace_back(entry->d_name);
  return names;
}

/// 8-4-4-4-12 lower-case hex digits.
bool is_uuid(std::string_view name) {
  constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::ranges::equal(name, form, [](char c, char wanted) {
    return wanted == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

}  // namespace

LayoutWatch::LayoutWatch(Inotify& inotify, const std::string& run_root, const Layout& layout, DiscoveryEvents events,
                         const SandboxList& list, LogLevel error_level, std::size_t max_sandboxes)
    : root_name_(layout.root),
      layout_{root_name_, layout.markers, layout.cut_at},
      max_sandboxes_(max_sandboxes),
      events_(std::move(events)),
      list_(list),
      watcher_(inotify, [this](const Inotify::Event& event) { on_event(event); }),
      root_(watcher_, run_root, layout.root, error_level) {
  root_.walk();
  scan();
}

void LayoutWatch::clear() {
  while (!candidates_.empty()) forget(std::string(candidates_.begin()->first));
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
  std::vector<std::string> names;  // copied: callbacks may change the map
  for (auto item = first; item != last; ++item) names.push_back(item->second);
  for (const std::string& name : names) look_for_markers(name);
}

void LayoutWatch::attach() {
  const int before = root_.directory();
  root_.walk();
  if (root_.directory() == before) return;
  clear();
  scan();
}

// The directory of another layout may be among the sandboxes of this one.
bool LayoutWatch::may_be_vm(std::string_view name) const {
  const std::string below = std::string(layout_.root) + "/" + std::string(name);
  return SandboxId::from_text(name) &&
         std::ranges::none_of(layouts, [&](const Layout& layout) { return layout.root == below; });
}

void LayoutWatch::scan() {
  std::set<std::string> listed;
  if (root_.directory() >= 0) {
    for (std::string& name : entries_of(root_.path())) {
      if (may_be_vm(name)) listed.insert(std::move(name));
    }
  }
  std::vector<std::string> unlisted;
  for (const auto& [name, candidate] : candidates_) {
    if (!listed.contains(name)) unlisted.push_back(name);
  }
  for (const std::string& name : unlisted) forget(name);
  for (const std::string& name : listed) consider(name);
}

void LayoutWatch::entry_changed(const Inotify::Event& event) {
  if (!may_be_vm(event.name)) return;
  const std::string name(event.name);
  if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) forget(name);
  if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) consider(name);
}

void LayoutWatch::consider(const std::string& name) {
  if (candidates_.size() >= max_sandboxes_ && !candidates_.contains(name)) {
    if (!std::exchange(warned_of_limit_, true)) {
      log_warning("a user has more sandboxes than are watched",
                  {{"directory", root_.path()}, {"limit", max_sandboxes_}});
    }
    return;
  }
  const Result<int> watch = watcher_.watch(directory_of(name));
  if (!watch) {
    if (watch.error().code != ENOENT && watch.error().code != ENOTDIR) {
      log(std::exchange(incomplete_, true) ? LogLevel::debug : LogLevel::warning,
          "cannot watch a sandbox; trying again at each scrape",
          {{"directory", directory_of(name)}, {"error", watch.error().text}});
    }
    return;
  }
  const auto known = candidates_.find(name);
  if (known != candidates_.end() && known->second.watch != *watch) forget(name);
  if (const auto [added, is_new] = candidates_.try_emplace(name); is_new) {
    added->second.watch = *watch;
    by_watch_.emplace(*watch, name);
  }
  look_for_markers(name);
}

bool LayoutWatch::may_be_marker(std::string_view name) const {
  return name == nested_directory ||
         std::ranges::any_of(layout_.markers, [&](const SocketMarker& marker) { return marker.path.ends_with(name); });
}

void LayoutWatch::watch_nested(const std::string& name, Candidate& candidate) {
  const auto nested = [](const SocketMarker& marker) { return marker.path.find('/') != std::string_view::npos; };
  if (std::ranges::none_of(layout_.markers, nested)) return;
  const Result<int> watch = watcher_.watch(directory_of(name) + "/" + std::string(nested_directory));
  const int now = watch ? *watch : -1;
  if (now == candidate.nested) return;
  const int before = std::exchange(candidate.nested, now);
  std::erase_if(by_watch_, [&](const auto& item) { return item.first == before && item.second == name; });
  unwatch(before);
  if (now >= 0) by_watch_.emplace(now, name);
}

void LayoutWatch::look_for_markers(const std::string& name) {
  const auto known = candidates_.find(name);
  if (known == candidates_.end()) return;  // a callback has changed the map
  Candidate& candidate = known->second;
  // Before the look, so that what comes in between has its event.
  watch_nested(name, candidate);
  const std::string directory = directory_of(name);
  const auto found = std::ranges::find_if(layout_.markers, [&](const SocketMarker& marker) {
    return is_socket(directory + "/" + std::string(marker.path));
  });
  const SocketMarker* present = found == layout_.markers.end() ? nullptr : &*found;
  if (present == candidate.present) return;
  candidate.present = present;
  candidate.since = Clock::now();
  const auto before = std::exchange(candidate.reported, std::nullopt);
  if (before) events_.gone(*before);
  report(name);
}

// Whose the directory is; nothing if that is not known.
std::optional<SandboxId> LayoutWatch::sandbox_of(const std::string& name) const {
  const auto id = SandboxId::from_text(name);
  if (!is_cut(name) && !is_uuid(name)) return id;
  const std::set<SandboxId> sandboxes = list_.beginning_with(name);
  if (!is_cut(name)) return sandboxes.contains(*id) ? id : std::nullopt;
  return sandboxes.size() == 1 ? std::optional(*sandboxes.begin()) : std::nullopt;
}

void LayoutWatch::report(const std::string& name) {
  const auto known = candidates_.find(name);
  if (known == candidates_.end() || known->second.present == nullptr || known->second.reported) return;
  const auto id = sandbox_of(name);
  if (!id) return;
  const std::string directory = directory_of(name);
  const SocketMarker& marker = *known->second.present;
  SandboxPlace place{*id,
                     directory,
                     std::string(marker.path),
                     std::string(marker.hypervisor),
                     marker.reach,
                     std::string(layout_.root)};
  std::error_code is_no_link;
  const std::filesystem::path linked = std::filesystem::read_symlink(directory, is_no_link);
  const auto vm = SandboxId::from_text(is_no_link ? name : linked.filename().string());
  if (vm && *vm != *id && (is_cut(name) || is_uuid(vm->text()))) place.other_id = vm;
  known->second.reported = id;
  events_.appeared(place);
}

void LayoutWatch::look_again() {
  if (incomplete_) {
    incomplete_ = false;
    scan();
  }
  std::vector<std::string> unknown;
  for (const auto& [name, candidate] : candidates_) {
    if (candidate.present != nullptr && !candidate.reported) unknown.push_back(name);
  }
  for (const std::string& name : unknown) {
    report(name);
    const auto known = candidates_.find(name);
    if (known == candidates_.end() || known->second.reported || known->second.warned) continue;
    // A VM of the factory may wait for its sandbox for as long as it likes.
    if (!is_cut(name) || Clock::now() - known->second.since < time_to_learn) continue;
    known->second.warned = true;
    log_warning("a VM is not followed: its directory has the beginning of a sandbox's id",
                {{"directory", directory_of(name)}, {"matching_sandboxes", list_.beginning_with(name).size()}});
  }
}

void LayoutWatch::unwatch(int watch) {
  if (watch >= 0 && !by_watch_.contains(watch) && !root_.uses(watch)) watcher_.unwatch(watch);
}

void LayoutWatch::forget(const std::string& name) {
  const auto known = candidates_.find(name);
  if (known == candidates_.end()) return;
  const Candidate candidate = known->second;
  candidates_.erase(known);
  std::erase_if(by_watch_, [&](const auto& item) { return item.second == name; });
  unwatch(candidate.watch);
  unwatch(candidate.nested);
  if (candidate.reported) events_.gone(*candidate.reported);
}

}  // namespace katameter::host
