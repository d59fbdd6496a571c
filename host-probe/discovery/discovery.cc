#include "host-probe/discovery/discovery.h"

#include <sys/inotify.h>

#include <algorithm>
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

/// Not one of the Go runtime's lists: it is called like a hypervisor's file.
bool is_hypervisor(std::string_view name) {
  return std::ranges::find(go_lists, name) == go_lists.end();
}

std::set<std::string> directories_in(const std::string& directory, bool (*is_meant)(std::string_view)) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (const std::string name = entry->path().filename(); is_meant(name)) names.insert(name);
  }
  return names;
}

}  // namespace

DiscoveryEvents Claims::of_watch(bool user) {
  const std::uint64_t watch = ++watches_;
  return {[this, watch, user](const SandboxPlace& place) {
            Claim claim{watch, user, place};
            // By a link to a VM of another name a user could have that VM's processes booked to a sandbox of theirs.
            if (user) claim.place.other_id.reset();
            add(std::move(claim));
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

SubdirectoryWatch::SubdirectoryWatch(Inotify& inotify, const std::string& run_root, Kind kind)
    : kind_(std::move(kind)),
      watcher_(inotify, [this](const Inotify::Event& event) { on_event(event); }),
      root_(watcher_, run_root, kind_.below, LogLevel::debug) {
  root_.walk();
  scan();
}

void SubdirectoryWatch::look_again() {
  for (const auto& [name, watches] : watches_) {
    for (const auto& watch : watches) watch->look_again();
  }
}

bool SubdirectoryWatch::incomplete() const {
  return std::ranges::any_of(watches_, [](const auto& item) {
    return std::ranges::any_of(item.second, [](const auto& watch) { return watch->incomplete(); });
  });
}

void SubdirectoryWatch::on_event(const Inotify::Event& event) {
  // Who was added is found again by scan(); the watches of each look after themselves.
  const bool overflow = (event.mask & IN_Q_OVERFLOW) != 0;
  if (overflow) OwnMetrics::of_process().count_inotify_overflow();
  if (overflow || root_.affects(event)) {
    root_.walk();
    return scan();
  }
  if (event.watch != root_.directory() || event.name.empty() || !kind_.is_meant(event.name)) return;
  const std::string name(event.name);
  if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) remove(name);
  if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) add(name);
}

void SubdirectoryWatch::scan() {
  const std::set<std::string> listed =
      root_.directory() >= 0 ? directories_in(root_.path(), kind_.is_meant) : std::set<std::string>();
  std::set<std::string> unlisted;
  for (const auto& [name, watches] : watches_) {
    if (!listed.contains(name)) unlisted.insert(name);
  }
  for (const std::string& name : unlisted) remove(name);
  for (const std::string& name : listed) add(name);
}

void SubdirectoryWatch::add(const std::string& name) {
  const auto [entry, added] = watches_.try_emplace(name);
  if (added) entry->second = kind_.watch(name);
}

void SubdirectoryWatch::remove(const std::string& name) {
  auto entry = watches_.extract(name);
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
  Inotify& events_of = *discovery.inotify_;
  const std::string root = absolute.string();
  discovery.list_ =
      std::make_unique<SandboxList>(events_of, root, std::move(of_shims), [&watches] { watches.look_again(); });
  const SandboxList& list = *discovery.list_;
  for (const Layout& layout : layouts) {
    watches.layouts.push_back(std::make_unique<LayoutWatch>(events_of, root, layout, claims.of_watch(false), list));
  }
  const auto of_hypervisor = [&events_of, &claims, &list, root](const std::string& name) {
    const std::string below = std::string(go_root) + "/" + name;
    SubdirectoryWatch::Watches made;
    made.push_back(std::make_unique<LayoutWatch>(events_of, root, go_firecracker(below), claims.of_watch(false), list));
    return made;
  };
  const auto of_user = [&events_of, &claims, &list, root](const std::string& name) {
    const std::string user_root =
        root + "/" + std::string(rootless_users) + "/" + name + "/" + std::string(rootless_below);
    SubdirectoryWatch::Watches made;
    for (const Layout& layout : layouts) {
      made.push_back(std::make_unique<LayoutWatch>(events_of, user_root, layout, claims.of_watch(true), list,
                                                   LogLevel::debug, max_user_sandboxes));
    }
    return made;
  };
  for (const SubdirectoryWatch::Kind& kind : {SubdirectoryWatch::Kind{go_root, is_hypervisor, of_hypervisor},
                                              SubdirectoryWatch::Kind{rootless_users, is_user_id, of_user}}) {
    watches.subdirectories.push_back(std::make_unique<SubdirectoryWatch>(events_of, root, kind));
  }
  return discovery;
}

void Discovery::Watches::look_again() {
  for (const auto& watch : layouts) watch->look_again();
  for (const auto& watch : subdirectories) watch->look_again();
}

void Discovery::look_again() {
  watches_->look_again();
  const auto incomplete = [](const auto& watch) { return watch->incomplete(); };
  OwnMetrics::of_process().set_host_limitation(
      "inotify",
      std::ranges::any_of(watches_->layouts, incomplete) || std::ranges::any_of(watches_->subdirectories, incomplete));
  const bool removed = std::ranges::any_of(watches_->layouts, [](const auto& watch) { return watch->was_removed(); });
  OwnMetrics::of_process().set_host_limitation("removed_directory", removed);
  if (removed && !std::exchange(logged_removed_, true)) {
    log_warning(
        "a directory of sandboxes was removed and is still mounted here; sandboxes below the one that was made "
        "in its place are not found until host-probe's pod is restarted");
  }
}

}  // namespace katameter::host
