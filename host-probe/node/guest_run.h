#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host-probe/accounting/oom.h"
#include "host-probe/guest/cpu_plausibility.h"
#include "host-probe/guest/drop_reason.h"
#include "host-probe/guest/rules.h"
#include "host-probe/node/ended_containers.h"
#include "host-probe/node/report.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "host-probe/processes/process_source.h"
#include "userspace/token_bucket.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// Bounds the series that one sandbox can make: of all values that a guest gives a label, the first `max` are admitted.
template <typename Value, std::size_t max>
class BoundedSet {
 public:
  static constexpr std::size_t max_values = max;

  /// True for a value that was admitted before, and for a new one while there is room.
  bool admit(const Value& value) {
    if (values_.contains(value)) return true;
    if (values_.size() == max) return false;
    values_.insert(value);
    return true;
  }

 private:
  std::set<Value> values_;
};

/// Bounds the container ids that one sandbox can make series of over time. An id that lives goes on for nothing. Pure:
/// the caller gives the time.
class ContainerIds {
 public:
  using Time = TokenBucket::Time;

  /// New ids at once: as many containers as the largest frame holds with every value at its largest.
  static constexpr std::size_t max_new = 2048;
  static constexpr std::size_t max_new_per_hour = 256;

  bool admit(const ContainerId& id, Time now) {
    return std::ranges::binary_search(living_, id) || new_ids_.take(1, now);
  }
  /// Those that live from now on, in the order of their ids.
  void set_living(const std::vector<wire::Container>& containers) {
    living_.clear();
    for (const wire::Container& container : containers) living_.push_back(container.id);
  }

 private:
  std::vector<ContainerId> living_;
  TokenBucket new_ids_{max_new, max_new_per_hour / 3600.0};
};

/// What is kept of a sandbox over all runs of its guest, and for a while after its end: a sandbox of this id that comes
/// back goes on from here. Pure: the caller gives the time.
struct SandboxHistory {
  using Time = OomKillCounters::Time;

  OomKillCounters oom_kills;
  std::uint64_t oom_events = 0;
  std::array<std::uint64_t, wire::oom_classes> oom_kills_by_class{};
  BoundedSet<std::string, 64> interface_names;
  BoundedSet<std::pair<std::uint32_t, std::uint32_t>, 64> block_device_numbers;
  BoundedSet<std::tuple<std::string, std::uint32_t, std::uint32_t>, 32> volumes;  // mount point, device
  BoundedSet<GuestInfo, 16> guest_infos;
  std::shared_ptr<const SandboxPlace> place;
  ContainerIds container_ids;
  /// Those of the guest that the container runtime has not listed, although it knows their pod and was asked often
  /// enough: they have no series of their own.
  std::set<ContainerId> unknown_containers;
  EndedContainers ended_containers;
  /// By GuestEntry: what had no series because there was too much of it, since somebody looked last.
  std::array<std::uint64_t, guest_entries> left_out{};

  // Of an ended sandbox.
  HostOoms host_ooms;  // by the host's OOM killer
  Time ended_at{};

  void count(const wire::OomEvent& event) {
    ++oom_events;
    ++oom_kills_by_class[static_cast<std::size_t>(event.oom_class)];
  }

  void leave_out(GuestEntry kind, std::uint64_t count = 1) { left_out[static_cast<std::size_t>(kind)] += count; }

  /// Of a view that is believed, takes what has ended out of the view and of the account: it is in `ended_containers`
  /// from now on. `account` may be null.
  void take_ended(GuestView& view, Account* account, Time now);
  /// All of these have ended with the guest; `costs` as in Account::container_costs.
  void end_containers(const std::vector<wire::Container>& containers, const std::map<ContainerId, SharedCosts>& costs,
                      Time now);

  /// The sandbox has ended, having had these kills on the host.
  void end(Time now, HostOoms kills) {
    std::erase_if(kills, [](const auto& role) { return role.second == 0; });
    host_ooms = std::move(kills);
    ended_at = now;
    oom_kills.all_ended(now);
  }

  /// Whether there is anything to report of an ended sandbox.
  bool has_values() const {
    return oom_events > 0 || !oom_kills.empty() || !host_ooms.empty() || !ended_containers.all().empty();
  }
  /// Of an ended sandbox: drops the kills and containers whose window is over. True if its own is over as well.
  bool expire(Time now) {
    oom_kills.expire(now);
    ended_containers.expire(now);
    return now - ended_at >= OomKillCounters::window;
  }
};

/// The texts of a Hello as labels. Version and kernel: up to 64 letters, digits and `._+~-`, else empty. What is missing:
/// features of such characters, blanks and slashes, in up to max_label_bytes; "..." at the end stands for others.
GuestInfo guest_info(const wire::Hello& hello);

/// One moment by the clocks that a guest's snapshot is compared with.
struct HostTime {
  std::chrono::steady_clock::time_point monotonic;
  SnapshotRules::Time boottime{};  // CLOCK_BOOTTIME
  std::chrono::system_clock::time_point wall;

  static HostTime now();
};

/// When the containers of one boot of a guest began, by the host's clock. Guests report it by theirs: each container's
/// age is turned into a time once, at first sight, so that it does not move with the clocks.
class StartTimes {
 public:
  /// An accepted snapshot, received at `now`. A container that would have begun after the snapshot has no start.
  void update(const wire::Snapshot& snapshot, std::chrono::system_clock::time_point now);
  /// Those of `containers` that are known: unix time in whole seconds, as cAdvisor has it.
  std::map<ContainerId, std::int64_t> of(const std::vector<wire::Container>& containers) const;

 private:
  struct Start {
    std::uint64_t boottime_ns = 0;  // as the guest reports it
    std::int64_t seconds = 0;
  };
  std::map<ContainerId, Start> starts_;
};

/// All that belongs to one run of a guest: who it is, the rules that its snapshots are checked by, the last snapshot
/// that was accepted. Another boot, another instance of guest-probe, and a guest that was restored to another state
/// make a new run; nothing is reset. Pure: the caller gives the time.
class GuestRun {
 public:
  /// A snapshot older than this is not reported, unless the next answer is on its way.
  static constexpr std::chrono::milliseconds freshness{1000};
  /// Kills that no snapshot has yet; beyond it they are in katameter_guest_oom_kills_total alone.
  static constexpr std::size_t max_kills = 256;
  /// Last values of removed containers that wait for reported(); beyond it the oldest are dropped.
  static constexpr std::size_t max_removed = 1024;

  /// The run of a guest that has introduced itself. `before`: of this sandbox's last run, or null; within one boot the
  /// containers' start times, and which removed ones were reported, go on.
  GuestRun(const wire::Hello& hello, CpuPlausibility cpu, const GuestRun* before = nullptr);

  /// The run that begins with a snapshot of this one that was rejected as a step (is_step()): the next snapshot is
  /// compared with it.
  GuestRun after_step(const wire::Snapshot& snapshot, const HostTime& now) const;

  /// It is this run's guest-probe that has connected again.
  bool is_of(const wire::Hello& hello) const { return hello.boot_id == boot_id_ && hello.instance == instance_; }
  bool same_boot(const wire::Hello& hello) const { return hello.boot_id == boot_id_; }

  /// Accepts the snapshot, which was asked for at `asked`, if it keeps all rules; else says which one it breaks, and
  /// nothing of it is kept.
  std::optional<Drop> take(const wire::Snapshot& snapshot, std::chrono::steady_clock::time_point asked,
                           const HostTime& now, SandboxHistory& history);

  /// True once per event. A new one is kept as a kill until a snapshot has counted it.
  bool take(const wire::OomEvent& event, std::chrono::steady_clock::time_point now, SandboxHistory& history);
  CpuPlausibility& cpu_plausibility() { return cpu_plausibility_; }

  /// The last accepted snapshot as a part of the report of the collection that began at `began`; nothing if there is
  /// none, or it is not fresh. `waiting`: the guest works on its next answer. A removed container is in each view until
  /// reported().
  std::optional<GuestView> view(std::chrono::steady_clock::time_point began, std::chrono::steady_clock::time_point now,
                                bool waiting) const;
  /// Counts the OOM kills of the last accepted snapshot, and of the containers that were removed since the last call.
  void count_oom_kills(OomKillCounters& counters, std::chrono::steady_clock::time_point now) const;
  /// This run has ended: counts the kills that came after the last accepted snapshot.
  void count_unreported_kills(OomKillCounters& counters, std::chrono::steady_clock::time_point now) const;
  /// The view was believed and reported: its removed containers are not in the next one.
  void reported() {
    removed_.clear();
    if (accepted_) accepted_->reported = true;
  }
  /// There is an accepted snapshot that no report had.
  bool unreported() const { return accepted_ && !accepted_->reported; }
  /// The containers of the last accepted snapshot that live; none if no report had it.
  std::vector<wire::Container> reported_living() const;
  /// The last accepted snapshot is not believed after all: nothing of it is reported or counted.
  void drop_snapshot() {
    accepted_.reset();
    removed_.clear();
  }
  /// How many removed containers wait for reported().
  std::size_t waiting_removed() const { return removed_.size(); }

 private:
  // What distinguishes one removed container from another, cgroups of the same id included.
  using Listing = std::pair<ContainerId, std::array<wire::Figure, wire::container_figures.size()>>;
  static Listing listing_of(const wire::Container& container);
  void take_containers(const wire::Snapshot& snapshot, std::span<const wire::Container> living_before,
                       std::chrono::steady_clock::time_point now, SandboxHistory& history);

  std::string boot_id_;
  std::string instance_;
  std::uint64_t number_ = 1;  // of the guest's boot, counted up at a step as well: in one of it the kernel counts on
  SnapshotRules rules_;
  OomEventFilter oom_events_;
  struct Kill {
    ContainerId container;
    std::uint64_t boottime_ns = 0;
  };
  std::vector<Kill> kills_since_;  // the last accepted snapshot
  CpuPlausibility cpu_plausibility_;
  StartTimes start_times_;
  std::set<Listing> listed_removed_;  // by the last snapshot; sent again until it is acknowledged

  /// The last accepted snapshot.
  struct Accepted {
    std::chrono::steady_clock::time_point asked;
    std::chrono::steady_clock::time_point received;
    std::vector<wire::Container> living;  // in the order of their ids
    wire::Guest guest_wide;
    std::vector<wire::Interface> interfaces;
    std::vector<wire::Disk> disks;
    std::vector<wire::Volume> volumes;
    std::optional<GuestCpu> cpu;
    std::optional<GuestSystemCpu> system_cpu;
    bool reported = false;
  };
  std::optional<Accepted> accepted_;
  std::vector<wire::Container> removed_;  // with their last values, in the order in which they were reported

  /// Containers without series of their own, beside those that the guest sums up itself. Their counters never fall in
  /// one boot; a container stays among them as long as it lives, unless the runtime has listed it after all.
  class Unattributed {
   public:
    /// Whether `container` is one of them. `with_series`: those that had series of their own, in the order of their ids.
    bool take(const wire::Container& container, std::span<const wire::Container> with_series,
              std::chrono::steady_clock::time_point now, SandboxHistory& history);
    /// All containers of a snapshot were taken: adds to what the guest reports.
    void add_to(wire::Guest& guest);
    /// Those that have no series because the runtime has not listed them.
    std::vector<ContainerId> unlisted() const;

   private:
    /// CPU time, and requests to virtiofs with the bytes that they read and wrote.
    using Counters = std::array<std::uint64_t, 4>;
    struct Row {
      Counters counters{};
      bool too_many = false;
    };
    static std::array<wire::Figure, 4> counters_of(const wire::Container& container);
    std::map<ContainerId, Row> before_;  // by the last snapshot
    std::map<ContainerId, Row> now_;
    Counters sums_{};
    std::uint64_t memory_bytes_ = 0;
    bool any_ = false;
  };
  Unattributed unattributed_;
};

}  // namespace katameter::host
