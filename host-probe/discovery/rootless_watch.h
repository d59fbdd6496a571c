#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host-probe/discovery/inotify.h"
#include "host-probe/discovery/layout_watch.h"
#include "host-probe/discovery/root_watch.h"

namespace katameter::host {

/// Sees the sandboxes whose VMM runs as a user of its own (`rootless = true` in Kata's configuration; each has a user
/// id that no other has) come and go. A user's directory that cannot be looked into is nothing to warn of: people who
/// are logged in have one, too.
class RootlessWatch {
 public:
  /// Reports what exists already before it returns. `run_root` is absolute.
  RootlessWatch(Inotify& inotify, const std::string& run_root, DiscoveryEvents events);

 private:
  using Layouts = std::vector<std::unique_ptr<LayoutWatch>>;

  void on_event(const Inotify::Event& event);
  void scan();
  void add(const std::string& user);
  void remove(const std::string& user);

  Inotify& inotify_;
  DiscoveryEvents events_;
  Inotify::Watcher watcher_;
  RootWatch root_;
  std::map<std::string, Layouts> users_;  // by the name of their directory
};

}  // namespace katameter::host
