#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host-probe/discovery/inotify.h"
#include "host-probe/discovery/layout.h"
#include "host-probe/discovery/layout_watch.h"
#include "host-probe/discovery/sandbox_list.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"
#include "userspace/token_bucket.h"

namespace katameter::host {

/// Which directory has an id that several claim: root's before those of users, and of equals the first. Without this, a
/// user could replace or end another pod's sandbox by making and removing a directory of its name.
class Claims {
 public:
  explicit Claims(DiscoveryEvents events) : events_(std::move(events)) {}

  /// What one watch reports to; `user`: it watches a user's directory.
  DiscoveryEvents of_watch(bool user);

 private:
  struct Claim {
    std::uint64_t watch = 0;
    bool user = false;
    SandboxPlace place;
  };
  void add(Claim claim);
  void remove(const SandboxId& id, std::uint64_t watch);

  DiscoveryEvents events_;
  std::map<SandboxId, std::vector<Claim>> claims_;  // the first of each is reported
  std::uint64_t watches_ = 0;
  TokenBucket lines_{16, 1.0 / 60};  // of the log: a user can make and remove directories all day
};

/// Watches layouts in each directory below one that has a name of a certain kind, as these come and go.
class SubdirectoryWatch {
 public:
  using Watches = std::vector<std::unique_ptr<LayoutWatch>>;
  struct Kind {
    std::string_view below;  // the run root
    bool (*is_meant)(std::string_view name);
    std::function<Watches(const std::string& name)> watch;
  };

  /// Reports what exists already before it returns. `run_root` is absolute. A directory that cannot be looked into is
  /// not worth a warning.
  SubdirectoryWatch(Inotify& inotify, const std::string& run_root, Kind kind);

  /// See LayoutWatch.
  void look_again();
  bool incomplete() const;

 private:
  void on_event(const Inotify::Event& event);
  void scan();
  void add(const std::string& name);
  void remove(const std::string& name);

  Kind kind_;
  Inotify::Watcher watcher_;
  RootWatch root_;
  std::map<std::string, Watches> watches_;  // by the name of the directory
};

/// Directories of sandboxes that are watched in each layout of one user: with `rootless = true` Kata gives each VM a
/// user of its own.
inline constexpr std::size_t max_user_sandboxes = 16;

/// Finds the sandboxes of this node, in all known layouts below the run root.
class Discovery {
 public:
  /// Reports what exists already before it returns, the rest as it happens, from the event loop. `run_root` need not
  /// exist yet. `of_shims` may be empty.
  static Result<Discovery> create(EventLoop& loop, const std::string& run_root, const DiscoveryEvents& events,
                                  SandboxList::OfShims of_shims = {});

  /// Tries again to find out whose the VMs are that are nobody's yet; what stays so is logged, once each. And to watch
  /// what could not be, for which katameter_host_limitation has the reason `inotify`. Costs a stat() for each layout while
  /// there are none, which shows that a directory was removed and is still mounted: reason `removed_directory`.
  void look_again();

 private:
  struct Watches {
    std::vector<std::unique_ptr<LayoutWatch>> layouts;
    std::vector<std::unique_ptr<SubdirectoryWatch>> subdirectories;
    void look_again();
  };

  std::unique_ptr<Inotify> inotify_;
  std::unique_ptr<Claims> claims_;
  std::unique_ptr<SandboxList> list_;
  std::unique_ptr<Watches> watches_;
  bool logged_removed_ = false;
};

}  // namespace katameter::host
