#include "host-probe/discovery/sandbox_list.h"

#include <sys/inotify.h>

#include <filesystem>
#include <utility>

namespace katameter::host {

SandboxList::SandboxList(Inotify& inotify, const std::string& run_root, OfShims of_shims, std::function<void()> changed)
    : of_shims_(std::move(of_shims)),
      changed_(std::move(changed)),
      watcher_(inotify, [this](const Inotify::Event& event) { on_event(event); }),
      root_(watcher_, run_root, "vc/sbs", LogLevel::debug) {
  root_.walk();
}

void SandboxList::on_event(const Inotify::Event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0 || root_.affects(event)) {
    root_.walk();
  } else if (event.watch != root_.directory()) {
    return;
  }
  changed_();
}

std::set<SandboxId> SandboxList::beginning_with(std::string_view prefix) const {
  std::set<SandboxId> found;
  const auto add = [&](const SandboxId& id) {
    if (id.text().starts_with(prefix)) found.insert(id);
  };
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root_.path(), error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (const auto id = SandboxId::from_text(entry->path().filename().string())) add(*id);
  }
  if (!of_shims_) return found;
  for (const SandboxId& id : of_shims_()) add(id);
  return found;
}

}  // namespace katameter::host
