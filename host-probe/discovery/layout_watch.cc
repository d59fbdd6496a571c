#include "host-probe/discovery/layout_watch.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <vector>

#include "userspace/log.h"

namespace katameter {
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

Result<std::unique_ptr<LayoutWatch>> LayoutWatch::create(EventLoop& loop, const std::string& run_root,
                                                         const Layout& layout, DiscoveryEvents events) {
  std::unique_ptr<LayoutWatch> watch(new LayoutWatch(layout, std::move(events)));
  auto inotify = Inotify::create(loop, [self = watch.get()](const Inotify::Event& event) { self->on_event(event); });
  if (!inotify) return failure_from(std::move(inotify.error()));
  watch->inotify_ = std::move(*inotify);
  watch->root_ = std::make_unique<RootWatch>(*watch->inotify_, run_root, layout.root);
  watch->root_->walk();
  watch->scan();
  return watch;
}

void LayoutWatch::on_event(const Inotify::Event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    log_warning("events of {} were lost: listing it once", root_->path());
    attach();
    return scan();
  }
  if (root_->concerns(event)) attach();
  if (event.name.empty()) return;
  if (event.watch == root_->directory()) entry_changed(event);
  if (event.name != layout_.socket) return;
  const auto [first, last] = by_watch_.equal_range(event.watch);
  std::vector<ContainerId> ids;  // copied: callbacks may change the map
  for (auto item = first; item != last; ++item) ids.push_back(item->second);
  for (const ContainerId& id : ids) look_for_socket(id);
}

void LayoutWatch::attach() {
  const int before = root_->directory();
  root_->walk();
  if (root_->directory() == before) return;
  while (!candidates_.empty()) forget(ContainerId(candidates_.begin()->first));
  scan();
}

void LayoutWatch::scan() {
  const std::set<ContainerId> listed = root_->directory() >= 0 ? valid_entries(root_->path()) : std::set<ContainerId>();
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
  const Result<int> watch = inotify_->watch(directory_of(id));
  if (!watch) {
    if (watch.error().code != ENOENT && watch.error().code != ENOTDIR) {
      log_warning("sandbox not seen sandbox={}: {}", id.hex(), watch.error().text);
    }
    return;
  }
  const auto known = candidates_.find(id);
  if (known != candidates_.end() && known->second.watch != *watch) forget(id);
  if (candidates_.try_emplace(id, Candidate{*watch, false}).second) by_watch_.emplace(*watch, id);
  look_for_socket(id);
}

void LayoutWatch::look_for_socket(const ContainerId& id) {
  Candidate& candidate = candidates_.at(id);
  const std::string directory = directory_of(id);
  const bool present = is_socket(directory + "/" + std::string(layout_.socket));
  if (present == candidate.present) return;
  candidate.present = present;
  if (!present) return events_.gone(id);
  events_.appeared({id, directory, std::string(layout_.socket), std::string(layout_.hypervisor)});
}

void LayoutWatch::forget(const ContainerId& id) {
  const auto known = candidates_.find(id);
  if (known == candidates_.end()) return;
  const Candidate candidate = known->second;
  candidates_.erase(known);
  std::erase_if(by_watch_, [&](const auto& item) { return item.second == id; });
  if (!by_watch_.contains(candidate.watch) && !root_->uses(candidate.watch)) inotify_->unwatch(candidate.watch);
  if (candidate.present) events_.gone(id);
}

}  // namespace katameter
