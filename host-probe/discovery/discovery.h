#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host-probe/discovery/inotify.h"
#include "host-probe/discovery/layout.h"
#include "host-probe/discovery/layout_watch.h"
#include "host-probe/discovery/rootless_watch.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

namespace katameter::host {

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
