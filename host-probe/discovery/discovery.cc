#include "host-probe/discovery/discovery.h"

#include <sys/inotify.h>

#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "host-probe/discovery/layout.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/log.h"

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

DiscoveryEvents Claims::of_watch(bool user) {
  const std::uint64_t watch = ++watches_;
  return {[this, watch, user](const SandboxPlace& place) {
            add({watch, user, place});
          },
          [this, watch](const SandboxId& id) { remove(id, watch); }};
}

void Claims::add(Claim claim) {
  std::vector<Claim>& claims = claims_[claim.place.id];
  if (claims.empty()) {
    claims.push_back(std::move(claim));
    return events_.appeared(claims.front().place);
  }
  const SandboxPlace place = claim.place;
  const bool first = claims.front().user && !claim.user;
  const std::string& other = claims.front().place.directory;
  log(lines_.take(1, std::chrono::steady_clock::now()) ? LogLevel::warning : LogLevel::debug,
      "two directories claim one sandbox",
      {{"sandbox", place.id.text()},
       {"used", first ? place.directory : other},
       {"ignored", first ? other : place.directory}});
  claims.insert(first ? claims.begin() : claims.end(), std::move(claim));
  if (!first) return;
  events_.gone(place.id);
  events_.appeared(place);
}

void Claims::remove(const SandboxId& id, std::uint64_t watch) {
  const auto known = claims_.find(id);
  if (known == claims_.end()) return;
  std::vector<Claim>& claims = known->second;
  const bool reported = claims.front().watch == watch;
  std::erase_if(claims, [&](const Claim& claim) { return claim.watch == watch; });
  const std::optional<SandboxPlace> next = claims.empty() ? std::nullopt : std::optional(claims.front().place);
  if (claims.empty()) claims_.erase(known);
  if (!reported) return;
  events_.gone(id);
  if (next) events_.appeared(*next);
}

RootlessWatch::RootlessWatch(Inotify& inotify, const std::string& run_root, Claims& claims, const SandboxList& list)
    : inotify_(inotify),
      claims_(claims),
      list_(list),
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
    entry->second.push_back(std::make_unique<LayoutWatch>(inotify_, run_root, layout, claims_.of_watch(true), list_,
                                                          LogLevel::debug, max_sandboxes));
  }
}

void RootlessWatch::remove(const std::string& user) {
  auto entry = users_.extract(user);
  if (!entry) return;
  for (const auto& watch : entry.mapped()) watch->clear();
}

Result<Discovery> Discovery::create(EventLoop& loop, const std::string& run_root, const DiscoveryEvents& events,
                                    SandboxList::OfShims of_shims) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(run_root, error).lexically_normal();
  if (error) return system_failure("cannot find where " + run_root + " is", error.value());
  auto inotify = Inotify::create(loop);
  if (!inotify) return failure_from(std::move(inotify.error()));
  Discovery discovery;
  discovery.inotify_ = std::move(*inotify);
  discovery.claims_ = std::make_unique<Claims>(events);
  discovery.watches_ = std::make_unique<Watches>();
  Claims& claims = *discovery.claims_;
  Watches& watches = *discovery.watches_;
  discovery.list_ =
      std::make_unique<SandboxList>(*discovery.inotify_, absolute.string(), std::move(of_shims), [&watches] {
        for (const auto& watch : watches) watch->look_again();
      });
  for (const Layout& layout : layouts) {
    watches.push_back(std::make_unique<LayoutWatch>(*discovery.inotify_, absolute.string(), layout,
                                                    claims.of_watch(false), *discovery.list_));
  }
  discovery.rootless_ =
      std::make_unique<RootlessWatch>(*discovery.inotify_, absolute.string(), claims, *discovery.list_);
  return discovery;
}

void Discovery::look_again() {
  for (const auto& watch : *watches_) watch->look_again();
}

}  // namespace katameter::host
