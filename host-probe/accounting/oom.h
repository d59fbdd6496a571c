#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/sandbox_id.h"
#include "userspace/log.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// OOM kills per container of one sandbox: never falls while a container is reported, and outlives it for a while, so
/// that a scraper sees the kill that ended it. Pure: the caller gives the time.
class OomKillCounters {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// How long a container's counter is reported after its end: several scrapes at the usual intervals.
  static constexpr std::chrono::minutes window{5};
  /// Ended containers beyond this many are dropped early: a guest must not fill the host's memory with dead ones.
  static constexpr std::size_t max_ended_containers = 4096;

  /// The last values of a removed container. Its id may come back (a cgroup made again) and then counts on.
  void container_ended(const wire::Container& container, Time now);
  /// All living containers of a snapshot; those of before that are not among them have ended.
  void update(const std::vector<wire::Container>& living, Time now);
  /// A kill in a container that has ended, that no snapshot has.
  void add_unreported(const ContainerId& container, Time now);
  /// The guest was restored to another state: what it counts now of these containers adds nothing.
  void rebase(const std::vector<wire::Container>& containers);
  /// The whole sandbox is gone, and all containers with it.
  void all_ended(Time now);
  /// The guest has booted: all containers of before have ended, and their kernel counts from 0.
  void guest_booted(Time now);

  /// Drops what ended longer than the window ago.
  void expire(Time now);
  /// Kills per container, for those whose kernel counts them.
  std::map<ContainerId, std::uint64_t> kills() const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::uint64_t before = 0;      // of cgroups of this id that are gone
    std::uint64_t of_living = 0;   // of the present one, as reported last
    std::optional<Time> ended_at;  // nothing while it lives
  };
  std::map<ContainerId, Entry> entries_;
};

/// Finds out which OOM events of one run of a guest-probe are new, and which it sends again because their
/// acknowledgement was lost.
class OomEventFilter {
 public:
  /// True once per event.
  bool is_new(const wire::OomEvent& event);

 private:
  std::uint64_t sequence_ = 0;  // of the last new event
};

/// The facts of an event as fields of a log line: `sandbox`, `container`, `pid`, `comm` ... Without a container or a
/// cgroup that has the limit, those fields are left out.
LogFields describe(const SandboxId& sandbox, const wire::OomEvent& event);

}  // namespace katameter::host
