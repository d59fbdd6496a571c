#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "host-probe/discovery/inotify.h"
#include "host-probe/discovery/layout.h"
#include "host-probe/discovery/root_watch.h"
#include "userspace/log.h"

namespace katameter::host {

struct DiscoveryEvents {
  std::function<void(const SandboxPlace&)> appeared;  // a marker is there
  std::function<void(const ContainerId&)> gone;       // its marker or its directory is not there any more
};

/// Sees the sandboxes of one layout come and go. It never looks again by itself: inotify tells, and only a queue that
/// overflowed makes it list the directory once more.
class LayoutWatch {
 public:
  /// Reports what exists already before it returns. `run_root` is absolute. That a directory cannot be watched is
  /// logged on the level `unseen`.
  LayoutWatch(Inotify& inotify, const std::string& run_root, const Layout& layout, DiscoveryEvents events,
              LogLevel unseen = LogLevel::warning);

  /// Reports all that was there as gone. No event comes after it.
  void leave();

  /// Compares what is there with what is known. Done at the start and after an overflow.
  void scan();

 private:
  struct Candidate {
    int watch = -1;
    int nested = -1;                  // watch of its nested_directory
    const Marker* present = nullptr;  // the first that exists
  };

  void on_event(const Inotify::Event& event);
  void attach();
  void entry_changed(const Inotify::Event& event);
  void consider(const ContainerId& id);
  bool may_be_marker(std::string_view name) const;
  void watch_nested(const ContainerId& id, Candidate& candidate);
  void look_for_markers(const ContainerId& id);
  void unwatch(int watch);
  void forget(const ContainerId& id);
  std::string directory_of(const ContainerId& id) const { return root_.path() + "/" + id.hex(); }

  Layout layout_;
  DiscoveryEvents events_;
  Inotify::Watcher watcher_;
  RootWatch root_;
  std::map<ContainerId, Candidate> candidates_;  // directories with a valid name
  std::multimap<int, ContainerId> by_watch_;     // several if symbolic links lead to one directory
};

}  // namespace katameter::host
