#include "host-probe/node/guest_run.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <string_view>
#include <utility>

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

void SandboxHistory::take_ended(GuestView& view, Account* account, Time now) {
  std::vector<wire::Container>& containers = view.containers;
  const auto removed = [](const wire::Container& container) { return container.removed; };
  if (ended_containers.all().empty() && std::ranges::none_of(containers, removed)) return;
  std::vector<wire::Container> ended;
  std::ranges::copy_if(containers, std::back_inserter(ended), removed);
  std::erase_if(containers, removed);
  end_containers(ended, account != nullptr ? account->container_costs : std::map<ContainerId, SharedCosts>(), now);
  ended_containers.remove_living(containers);
  if (account == nullptr) return;
  // Also of those that ended before: a guest that answers late has them in its shares for one more report.
  for (const EndedContainer& container : ended_containers.all()) account->container_costs.erase(container.last->id);
}

void SandboxHistory::end_containers(const std::vector<wire::Container>& containers,
                                    const std::map<ContainerId, SharedCosts>& costs, Time now) {
  for (const wire::Container& container : containers) {
    const auto known = costs.find(container.id);
    const SharedCosts last = known != costs.end() ? known->second : SharedCosts();
    leave_out(GuestEntry::ended_container, ended_containers.add(container, last, now));
  }
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
  unattributed_ = before->unattributed_;
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

  Accepted next{asked, now.monotonic, {}, snapshot.guest, {}, {}, {}, {}, {}, false};
  next.cpu = split_guest_cpu(snapshot.guest, accepted_ ? accepted_->cpu : std::nullopt);
  if (next.cpu) {
    next.system_cpu = divide_guest_system_cpu(next.cpu->guest_system_ns, snapshot.guest,
                                              accepted_ ? accepted_->system_cpu : std::nullopt);
  }
  std::ranges::copy_if(snapshot.interfaces, std::back_inserter(next.interfaces),
                       [&](const wire::Interface& link) { return history.interface_names.admit(link.name); });
  history.leave_out(GuestEntry::interface, snapshot.interfaces.size() - next.interfaces.size());
  std::ranges::copy_if(snapshot.disks, std::back_inserter(next.disks), [&](const wire::Disk& disk) {
    return history.block_device_numbers.admit({disk.major, disk.minor});
  });
  history.leave_out(GuestEntry::block_device, snapshot.disks.size() - next.disks.size());
  std::ranges::copy_if(snapshot.volumes, std::back_inserter(next.volumes), [&](const wire::Volume& volume) {
    return history.volumes.admit({volume.name, volume.major, volume.minor});
  });
  history.leave_out(GuestEntry::volume, snapshot.volumes.size() - next.volumes.size());
  const auto last = std::exchange(accepted_, std::move(next));
  const std::span<const wire::Container> living_before =
      last ? std::span<const wire::Container>(last->living) : std::span<const wire::Container>();
  take_containers(snapshot, living_before, now.monotonic, history);
  std::erase_if(kills_since_, [&](const Kill& kill) { return kill.boottime_ns <= snapshot.boottime_ns; });
  return std::nullopt;
}

bool GuestRun::take(const wire::OomEvent& event, std::chrono::steady_clock::time_point now, SandboxHistory& history) {
  if (!oom_events_.is_new(event)) return false;
  if (event.container && kills_since_.size() < max_kills && history.container_ids.admit(*event.container, now)) {
    kills_since_.push_back({*event.container, event.boottime_ns});
  }
  return true;
}

bool GuestRun::Unattributed::take(const wire::Container& container, std::span<const wire::Container> with_series,
                                  std::chrono::steady_clock::time_point now, SandboxHistory& history) {
  const auto before = before_.find(container.id);
  const bool was = before != before_.end();
  const bool unlisted = history.unknown_containers.contains(container.id);
  bool too_many = was && before->second.too_many;
  if (!too_many && !unlisted && !(was && container.removed)) {
    if (history.container_ids.admit(container.id, now)) return false;
    too_many = true;
    history.leave_out(GuestEntry::container);
  }
  any_ = true;
  const auto shown = std::ranges::lower_bound(with_series, container.id, {}, &wire::Container::id);
  const bool was_shown = !was && shown != with_series.end() && shown->id == container.id;
  const auto of_shown = was_shown ? counters_of(*shown) : std::array<wire::Figure, 4>();
  const auto reported = counters_of(container);
  Counters counters{};
  for (std::size_t i = 0; i < counters.size(); ++i) {
    const std::uint64_t last = was ? before->second.counters[i] : of_shown[i].value_or(0);
    counters[i] = reported[i].value_or(last);
    sums_[i] += counters[i] >= last ? counters[i] - last : counters[i];  // fallen, it is another cgroup of this id
  }
  if (container.removed) return true;
  memory_bytes_ += container.memory_usage_bytes.value_or(0);
  now_[container.id] = {counters, too_many};
  return true;
}

std::array<wire::Figure, 4> GuestRun::Unattributed::counters_of(const wire::Container& container) {
  return {container.cpu_usage_ns, wire::virtiofs_requests(container), container.virtiofs_read_bytes,
          container.virtiofs_written_bytes};
}

std::vector<ContainerId> GuestRun::Unattributed::unlisted() const {
  std::vector<ContainerId> ids;
  for (const auto& [id, row] : before_) {
    if (!row.too_many) ids.push_back(id);
  }
  return ids;
}

void GuestRun::Unattributed::add_to(wire::Guest& guest) {
  before_ = std::exchange(now_, {});
  const std::uint64_t memory_bytes = std::exchange(memory_bytes_, 0);
  if (!any_) return;
  guest.unattributed_containers = guest.unattributed_containers.value_or(0) + before_.size();
  constexpr std::array figures{&wire::Guest::unattributed_cpu_usage_ns, &wire::Guest::virtiofs_unknown_requests,
                               &wire::Guest::virtiofs_unknown_read_bytes, &wire::Guest::virtiofs_unknown_written_bytes};
  for (std::size_t i = 0; i < figures.size(); ++i) {
    wire::Figure& figure = guest.*figures[i];
    if (i == 0 || figure || sums_[i] > 0) figure = figure.value_or(0) + sums_[i];
  }
  guest.unattributed_memory_usage_bytes = guest.unattributed_memory_usage_bytes.value_or(0) + memory_bytes;
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

void GuestRun::take_containers(const wire::Snapshot& snapshot, std::span<const wire::Container> living_before,
                               std::chrono::steady_clock::time_point now, SandboxHistory& history) {
  std::set<Listing> listed;
  const auto living = std::ranges::count(snapshot.containers, false, &wire::Container::removed);
  accepted_->living.reserve(static_cast<std::size_t>(living));
  for (const wire::Container& container : snapshot.containers) {
    if (container.removed) {
      // Listed again, its acknowledgement was lost.
      const Listing listing = listing_of(container);
      const bool is_new = listed.insert(listing).second && !listed_removed_.contains(listing);
      if (!is_new) continue;
    }
    if (unattributed_.take(container, living_before, now, history)) continue;
    std::vector<wire::Container>& into = container.removed ? removed_ : accepted_->living;
    wire::Container& taken = into.emplace_back(container);
    std::string().swap(taken.cgroup);  // a guest may send 4 KiB of it, and nothing on the host needs it
    const auto refused = std::erase_if(taken.block_devices, [&](const wire::BlockDevice& device) {
      return !history.block_device_numbers.admit({device.major, device.minor});
    });
    history.leave_out(GuestEntry::block_device, refused);
  }
  unattributed_.add_to(accepted_->guest_wide);
  listed_removed_ = std::move(listed);
  if (removed_.size() > max_removed) {
    // An OOM kill must be counted, the other values are in the guest's totals.
    std::stable_partition(removed_.begin(), removed_.end(),
                          [](const wire::Container& container) { return container.oom_kills.value_or(0) == 0; });
    history.leave_out(GuestEntry::ended_container, removed_.size() - max_removed);
    removed_.erase(removed_.begin(), removed_.end() - max_removed);
  }
  std::ranges::sort(accepted_->living, {}, &wire::Container::id);
  history.container_ids.set_living(accepted_->living);
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
  view.unlisted = unattributed_.unlisted();
  view.start_times = start_times_.of(view.containers);
  view.guest_wide = accepted_->guest_wide;
  view.interfaces = accepted_->interfaces;
  view.disks = accepted_->disks;
  view.volumes = accepted_->volumes;
  view.cpu = accepted_->cpu;
  view.system_cpu = accepted_->system_cpu;
  view.run = number_;
  view.late = accepted_->asked < began;
  view.age_seconds = std::chrono::floor<std::chrono::seconds>(age).count();
  return view;
}

std::vector<wire::Container> GuestRun::reported_living() const {
  return accepted_ && accepted_->reported ? accepted_->living : std::vector<wire::Container>();
}

void GuestRun::count_oom_kills(OomKillCounters& counters, std::chrono::steady_clock::time_point now) const {
  for (const wire::Container& container : removed_) counters.container_ended(container, now);
  if (accepted_) counters.update(accepted_->living, now);
}

}  // namespace katameter::host
