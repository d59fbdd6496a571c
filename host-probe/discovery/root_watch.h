#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "host-probe/discovery/inotify.h"
#include "userspace/log.h"

namespace katameter::host {

/// Keeps an eye on one directory that may not exist yet, may come, go and come again: watches it and what is above it
/// up to the run root, or the nearest ancestor that exists.
class RootWatch {
 public:
  /// The directory is `run_root`/`below`; `run_root` is absolute, `below` relative.
  RootWatch(Inotify::Watcher& watcher, const std::string& run_root, std::string_view below, LogLevel unseen);

  /// Sets the watches anew, by what exists now. Errors other than a missing directory are logged, on the level `unseen`.
  void walk();

  /// The event may have changed what exists: walk() is due. Events about the directory's own entries are not meant.
  bool concerns(const Inotify::Event& event) const;

  /// The watch of the directory itself, -1 while it does not exist. Another number means another directory.
  int directory() const { return directory_; }
  const std::string& path() const { return levels_.back().path; }
  bool uses(int watch) const { return watches_.contains(watch); }

 private:
  struct Level {
    std::string path;
    std::string name;  // its last component
  };
  std::size_t nearest_existing() const;
  bool watch_level(std::size_t level, std::map<int, std::size_t>& watches);

  Inotify::Watcher& watcher_;
  LogLevel unseen_;
  std::vector<Level> levels_;  // from "/" down to the directory
  std::size_t run_root_ = 0;   // its level
  std::map<int, std::size_t> watches_;
  int directory_ = -1;
};

}  // namespace katameter::host
