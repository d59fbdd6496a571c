#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host-probe/discovery/inotify.h"
#include "host-probe/discovery/layout.h"
#include "host-probe/discovery/layout_watch.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

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

/// Finds the sandboxes of this node, in all known layouts below the run root.
class Discovery {
 public:
  /// Reports what exists already before it returns, the rest as it happens, from the event loop. `run_root` need not
  /// exist yet.
  static Result<Discovery> create(EventLoop& loop, const std::string& run_root, const DiscoveryEvents& events);

 private:
  std::unique_ptr<Inotify> inotify_;
  std::vector<std::unique_ptr<LayoutWatch>> watches_;
  std::unique_ptr<RootlessWatch> rootless_;
};

}  // namespace katameter::host
