#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host-probe/discovery/inotify.h"
#include "host-probe/discovery/layout.h"
#include "userspace/log.h"

namespace katameter::host {

/// Watches one directory that may not exist yet, may come, go and come again: it and what is above it
/// up to the run root, or the nearest ancestor that exists, are watched.
class RootWatch {
 public:
  /// The directory is `run_root`/`below`; `run_root` is absolute, `below` relative.
  RootWatch(Inotify::Watcher& watcher, const std::string& run_root, std::string_view below, LogLevel error_level);

  /// Sets the watches anew, by what exists now. Errors other than a missing directory are logged, on the level
  /// `error_level`.
  void walk();

  /// The event may have changed what exists: walk() is due. Events about the directory's own entries are not meant.
  bool affects(const Inotify::Event& event) const;

  /// The watch of the directory itself, -1 while it does not exist. Another number means another directory.
  int directory() const { return directory_; }
  const std::string& path() const { return levels_.back().path; }
  bool uses(int watch) const { return watches_.contains(watch); }

  /// What exists of it was removed and is seen because it is mounted here, as in host-probe's pod: one that was made anew
  /// on the node is not seen.
  bool was_removed() const;

 private:
  struct Level {
    std::string path;
    std::string name;  // its last component
  };
  std::size_t nearest_existing() const;
  bool watch_level(std::size_t level, std::map<int, std::size_t>& watches);

  Inotify::Watcher& watcher_;
  LogLevel error_level_;
  std::vector<Level> levels_;  // from "/" down to the directory
  std::size_t run_root_ = 0;   // its level
  std::map<int, std::size_t> watches_;
  int directory_ = -1;
};

struct DiscoveryEvents {
  std::function<void(const SandboxPlace&)> appeared;  // a marker is there
  std::function<void(const SandboxId&)> gone;         // its marker or its directory is not there any more
};

class SandboxList;

/// Sees the sandboxes of one layout come and go. It never looks again by itself: inotify reports changes, and only a
/// queue that overflowed makes it list the directory once more.
class LayoutWatch {
 public:
  /// How long it may be unknown whose a VM is: its sandbox may become known after it.
  static constexpr std::chrono::seconds time_to_learn{10};

  /// Reports what exists already before it returns. `run_root` is absolute; `list` must outlive it. That a directory
  /// cannot be watched is logged on the level `error_level`. Directories beyond `max_sandboxes` are not watched.
  LayoutWatch(Inotify& inotify, const std::string& run_root, const Layout& layout, DiscoveryEvents events,
              const SandboxList& list, LogLevel error_level = LogLevel::warning,
              std::size_t max_sandboxes = std::numeric_limits<std::size_t>::max());

  /// Reports all that was there as gone. No event comes after it.
  void clear();

  /// Compares what is there with what is known. Done at the start and after an overflow.
  void scan();

  /// Asks the list again for the sandboxes of VMs that are nobody's yet, and tries again to watch what could not be.
  void look_again();
  /// A directory of a sandbox could not be watched.
  bool incomplete() const { return incomplete_; }
  /// See RootWatch.
  bool was_removed() const { return root_.was_removed(); }

 private:
  using Clock = std::chrono::steady_clock;

  struct Candidate {
    int watch = -1;
    int nested = -1;                        // watch of its nested_directory
    const SocketMarker* present = nullptr;  // the first that exists
    Clock::time_point since;                // it exists
    std::optional<SandboxId> reported;      // as this sandbox's
    bool warned = false;
  };

  void on_event(const Inotify::Event& event);
  void attach();
  void entry_changed(const Inotify::Event& event);
  bool may_be_vm(std::string_view name) const;
  void consider(const std::string& name);
  bool may_be_marker(std::string_view name) const;
  void watch_nested(const std::string& name, Candidate& candidate);
  void look_for_markers(const std::string& name);
  bool is_cut(std::string_view name) const { return layout_.cut_at > 0 && name.size() == layout_.cut_at; }
  std::optional<SandboxId> sandbox_of(const std::string& name) const;
  void report(const std::string& name);
  void unwatch(int watch);
  void forget(const std::string& name);
  std::string directory_of(const std::string& name) const { return root_.path() + "/" + name; }

  bool incomplete_ = false;
  std::string root_name_;
  Layout layout_;
  std::size_t max_sandboxes_;
  bool warned_of_limit_ = false;
  DiscoveryEvents events_;
  const SandboxList& list_;
  Inotify::Watcher watcher_;
  RootWatch root_;
  std::map<std::string, Candidate> candidates_;  // directories with a valid name, by that
  std::multimap<int, std::string> by_watch_;     // several if symbolic links lead to one directory
};

}  // namespace katameter::host
