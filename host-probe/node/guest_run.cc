#include "host-probe/node/guest_run.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <string_view>

namespace katameter::host {
namespace {

constexpr std::size_t max_guest_word = 64;  // uname -r has up to 64 bytes (__NEW_UTS_LEN)
constexpr std::string_view omitted = "...";

// Up to max_guest_word letters, digits and bytes of `others`.
bool is_word(std::string_view text, std::string_view others) {
  const auto may_be = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= max_guest_word && std::ranges::all_of(text, may_be);
}

std::string version_of(const std::string& text) {
  return is_word(text, "._+~-") ? text : std::string();
}

std::string joined(const std::vector<std::string>& features) {
  std::string text;
  bool all = true;
  for (const std::string& feature : features) {
    const bool fits = text.size() + 1 + feature.size() + 1 + omitted.size() <= max_label_bytes;
    if (!is_word(feature, "._+~-/ ") || !fits) {
      all = false;
      continue;
    }
    if (!text.empty()) text += ',';
    text += feature;
  }
  if (all) return text;
  return text.empty() ? std::string(omitted) : text + ',' + std::string(omitted);
}

}  // namespace

GuestInfo guest_info(const wire::Hello& hello) {
  return {version_of(hello.version), version_of(hello.kernel), joined(hello.lacks)};
}

HostTime HostTime::now() {
  timespec boottime{};
  clock_gettime(CLOCK_BOOTTIME, &boottime);
  return {std::chrono::steady_clock::now(),
          std::chrono::seconds(boottime.tv_sec) + std::chrono::nanoseconds(boottime.tv_nsec),
          std::chrono::system_clock::now()};
}

void StartTimes::update(const wire::Snapshot& snapshot, std::chrono::system_clock::time_point now) {
  std::map<ContainerId, Start> starts;
  for (const wire::Container& container : snapshot.containers) {
    if (!container.start_boottime_ns || *container.start_boottime_ns > snapshot.boottime_ns) continue;
    const auto known = starts_.find(container.id);
    if (known != starts_.end() && known->second.boottime_ns == *container.start_boottime_ns) {
      starts.insert(*known);
      continue;
    }
    const std::chrono::nanoseconds age(snapshot.boottime_ns - *container.start_boottime_ns);
    const auto began = std::chrono::floor<std::chrono::seconds>(now - age).time_since_epoch();
    // Of a removed cgroup and a new one of the same id the new one counts.
    if (container.removed && starts.contains(container.id)) continue;
    starts.insert_or_assign(container.id, Start{*container.start_boottime_ns, began.count()});
  }
  starts_ = std::move(starts);
}

std::map<ContainerId, std::int64_t> StartTimes::of(const std::vector<wire::Container>& containers) const {
  std::map<ContainerId, std::int64_t> seconds;
  for (const wire::Container& container : containers) {
    const auto known = starts_.find(container.id);
    if (known != starts_.end()) seconds.emplace(container.id, known->second.seconds);
  }
  return seconds;
}

GuestRun::GuestRun(const wire::Hello& hello, CpuPlausibility cpu, const GuestRun* before)
    : boot_id_(hello.boot_id), instance_(hello.instance), cpu_plausibility_(std::move(cpu)) {
  if (before == nullptr) return;
  number_ = before->number_;
  if (!before->same_boot(hello)) {
    ++number_;
    return;
  }
  start_times_ = before->start_times_;
  listed_removed_ = before->listed_removed_;
}

GuestRun GuestRun::after_step(const wire::Snapshot& snapshot, const HostTime& now) const {
  wire::Hello same;
  same.boot_id = boot_id_;
  same.instance = instance_;
  GuestRun next(same, cpu_plausibility_, this);
  ++next.number_;
  next.rules_.compare_with(snapshot, now.boottime);
  next.cpu_plausibility_.rebase(snapshot.guest, snapshot.containers);
  next.oom_events_ = oom_events_;
  return next;
}

std::optional<Drop> GuestRun::take(const wire::Snapshot& snapshot, std::chrono::steady_clock::time_point asked,
                                   const HostTime& now, SandboxHistory& history) {
  if (std::optional<Drop> broken = rules_.check(snapshot, now.boottime)) return broken;
  rules_.compare_with(snapshot, now.boottime);
  start_times_.update(snapshot, now.wall);

  Accepted next{asked, now.monotonic, {}, snapshot.guest, {}, {}, {}};
  next.cpu = split_guest_cpu(snapshot.guest, accepted_ ? accepted_->cpu : std::nullopt);
  if (next.cpu) {
    next.system_cpu = divide_guest_system_cpu(next.cpu->guest_system_ns, snapshot.guest,
                                              accepted_ ? accepted_->system_cpu : std::nullopt);
  }
  std::ranges::copy_if(snapshot.interfaces, std::back_inserter(next.interfaces),
                       [&](const wire::Interface& link) { return history.interface_names.admit(link.name); });
  accepted_ = std::move(next);
  take_containers(snapshot, history);
  std::erase_if(kills_since_, [&](const Kill& kill) { return kill.boottime_ns <= snapshot.boottime_ns; });
  return std::nullopt;
}

bool GuestRun::take(const wire::OomEvent& event) {
  if (!oom_events_.is_new(event)) return false;
  if (event.container && kills_since_.size() < max_kills) kills_since_.push_back({*event.container, event.boottime_ns});
  return true;
}

void GuestRun::count_unreported_kills(OomKillCounters& counters, std::chrono::steady_clock::time_point now) const {
  for (const Kill& kill : kills_since_) counters.add_unreported(kill.container, now);
}

GuestRun::Listing GuestRun::listing_of(const wire::Container& container) {
  Listing listing{container.id, {}};
  for (std::size_t i = 0; i < listing.second.size(); ++i) {
    listing.second[i] = container.*wire::container_figures[i].value;
  }
  return listing;
}

void GuestRun::take_containers(const wire::Snapshot& snapshot, SandboxHistory& history) {
  std::set<Listing> listed;
  for (const wire::Container& container : snapshot.containers) {
    if (container.removed) {
      // Listed again, its acknowledgement was lost.
      const Listing listing = listing_of(container);
      const bool is_new = listed.insert(listing).second && !listed_removed_.contains(listing);
      if (!is_new) continue;
    }
    std::vector<wire::Container>& into = container.removed ? removed_ : accepted_->living;
    std::erase_if(into.emplace_back(container).block_devices, [&](const wire::BlockDevice& device) {
      return !history.block_device_numbers.admit({device.major, device.minor});
    });
  }
  listed_removed_ = std::move(listed);
  if (removed_.size() > max_removed) removed_.erase(removed_.begin(), removed_.end() - max_removed);
  std::ranges::sort(accepted_->living, {}, &wire::Container::id);
}

std::optional<GuestView> GuestRun::view(std::chrono::steady_clock::time_point began,
                                        std::chrono::steady_clock::time_point now, bool waiting) const {
  if (!accepted_) return std::nullopt;
  const auto age = now - accepted_->received;
  if (!waiting && age > freshness) return std::nullopt;
  GuestView view;
  view.containers = accepted_->living;
  // Of several of one id the last, and a living one before all.
  std::set<ContainerId> added;
  if (!removed_.empty()) {
    for (const wire::Container& container : accepted_->living) added.insert(container.id);
    for (auto container = removed_.rbegin(); container != removed_.rend(); ++container) {
      if (added.insert(container->id).second) view.containers.push_back(*container);
    }
    std::ranges::sort(view.containers, {}, &wire::Container::id);
  }
  view.start_times = start_times_.of(view.containers);
  view.guest_wide = accepted_->guest_wide;
  view.interfaces = accepted_->interfaces;
  view.cpu = accepted_->cpu;
  view.system_cpu = accepted_->system_cpu;
  view.run = number_;
  view.late = accepted_->asked < began;
  view.age_seconds = std::chrono::floor<std::chrono::seconds>(age).count();
  return view;
}

void GuestRun::count_oom_kills(OomKillCounters& counters, std::chrono::steady_clock::time_point now) const {
  for (const wire::Container& container : removed_) counters.container_ended(container, now);
  if (accepted_) counters.update(accepted_->living, now);
}

}  // namespace katameter::host
