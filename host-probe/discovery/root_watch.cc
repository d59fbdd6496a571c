#include "host-probe/discovery/root_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

namespace katameter::host {
namespace {

bool is_directory(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

}  // namespace

RootWatch::RootWatch(Inotify::Watcher& watcher, const std::string& run_root, std::string_view below, LogLevel unseen)
    : watcher_(watcher), unseen_(unseen) {
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
    log(unseen_, "cannot watch a directory of sandboxes", {{"directory", path()}, {"error", watch.error().text}});
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

bool RootWatch::concerns(const Inotify::Event& event) const {
  const auto found = watches_.find(event.watch);
  if (found == watches_.end()) return false;
  if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) return true;
  const std::size_t below = found->second + 1;
  return below < levels_.size() && event.name == levels_[below].name;
}

}  // namespace katameter::host
