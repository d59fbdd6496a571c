#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "host-probe/discovery/inotify.h"
#include "host-probe/discovery/layout_watch.h"
#include "host-probe/sandbox_id.h"

namespace katameter::host {

/// The whole ids of the sandboxes that there may be: the directories of the Go runtime's list, `<run root>/vc/sbs/<id>`
/// (virtcontainers/persist/fs), and what Kata's shims were started with. For directories whose name does not say whose
/// they are.
class SandboxList {
 public:
  using OfShims = std::function<std::set<SandboxId>()>;

  /// `of_shims` may be empty. `changed` is called when the runtime's list may have changed.
  SandboxList(Inotify& inotify, const std::string& run_root, OfShims of_shims, std::function<void()> changed);

  /// Reads the list anew. Empty: none begins so.
  std::set<SandboxId> beginning_with(std::string_view prefix) const;

 private:
  void on_event(const Inotify::Event& event);

  OfShims of_shims_;
  std::function<void()> changed_;
  Inotify::Watcher watcher_;
  RootWatch root_;
};

}  // namespace katameter::host
