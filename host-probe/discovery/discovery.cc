#include "host-probe/discovery/discovery.h"

#include <sys/inotify.h>

#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "host-probe/discovery/layout.h"
#include "host-probe/own_metrics/own_metrics.h"

namespace katameter::host {
namespace {

namespace fs = std::filesystem;

bool is_user_id(std::string_view name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
}

std::set<std::string> users_in(const std::string& directory) {
  std::set<std::string> users;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (const std::string name = entry->path().filename(); is_user_id(name)) users.insert(name);
  }
  return users;
}

}  // namespace

RootlessWatch::RootlessWatch(Inotify& inotify, const std::string& run_root, DiscoveryEvents events)
    : inotify_(inotify),
      events_(std::move(events)),
      watcher_(inotify, [this](const Inotify::Event& event) { on_event(event); }),
      root_(watcher_, run_root, rootless_users, LogLevel::debug) {
  root_.walk();
  scan();
}

void RootlessWatch::on_event(const Inotify::Event& event) {
  // Who was added is found again by scan(); each user's watches look after themselves.
  const bool overflow = (event.mask & IN_Q_OVERFLOW) != 0;
  if (overflow) OwnMetrics::of_process().count_inotify_overflow();
  if (overflow || root_.affects(event)) {
    root_.walk();
    return scan();
  }
  if (event.watch != root_.directory() || !is_user_id(event.name)) return;
  const std::string user(event.name);
  if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) remove(user);
  if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) add(user);
}

void RootlessWatch::scan() {
  const std::set<std::string> listed = root_.directory() >= 0 ? users_in(root_.path()) : std::set<std::string>();
  std::set<std::string> unlisted;
  for (const auto& [user, layouts_of_user] : users_) {
    if (!listed.contains(user)) unlisted.insert(user);
  }
  for (const std::string& user : unlisted) remove(user);
  for (const std::string& user : listed) add(user);
}

void RootlessWatch::add(const std::string& user) {
  const auto [entry, added] = users_.try_emplace(user);
  if (!added) return;
  const std::string run_root = root_.path() + "/" + user + "/" + std::string(rootless_below);
  for (const Layout& layout : layouts) {
    entry->second.push_back(std::make_unique<LayoutWatch>(inotify_, run_root, layout, events_, LogLevel::debug));
  }
}

void RootlessWatch::remove(const std::string& user) {
  auto entry = users_.extract(user);
  if (!entry) return;
  for (const auto& watch : entry.mapped()) watch->clear();
}

Result<Discovery> Discovery::create(EventLoop& loop, const std::string& run_root, const DiscoveryEvents& events) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(run_root, error).lexically_normal();
  if (error) return system_failure("cannot find where " + run_root + " is", error.value());
  auto inotify = Inotify::create(loop);
  if (!inotify) return failure_from(std::move(inotify.error()));
  Discovery discovery;
  discovery.inotify_ = std::move(*inotify);
  for (const Layout& layout : layouts) {
    discovery.watches_.push_back(std::make_unique<LayoutWatch>(*discovery.inotify_, absolute.string(), layout, events));
  }
  discovery.rootless_ = std::make_unique<RootlessWatch>(*discovery.inotify_, absolute.string(), events);
  return discovery;
}

}  // namespace katameter::host
