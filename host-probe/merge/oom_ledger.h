#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "userspace/wire/messages.h"

namespace katameter {

/// OOM kills per container of one sandbox: never falls while a container is told of, and outlives it for a while, so
/// that a scraper sees the kill that ended it. Pure: the caller gives the time.
class OomLedger {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// How long a container's counter is told after its end: several scrapes at the usual intervals.
  static constexpr std::chrono::minutes window{5};
  /// Ended containers beyond this many are forgotten early: a guest may not fill the host's memory with dead ones.
  static constexpr std::size_t longest_memory = 4096;

  /// The last word on a removed container. Its id may come back (a cgroup made again) and then counts on.
  void ended(const wire::Container& container, Time now);
  /// All living containers of a snapshot; those of before that are not among them have ended.
  void living(const std::vector<wire::Container>& containers, Time now);
  /// The whole sandbox is gone, and all containers with it.
  void all_ended(Time now);
  /// The guest has booted anew: all containers of before have ended, and counting starts at 0.
  void guest_restarted(Time now);

  /// Drops what ended longer than the window ago.
  void expire(Time now);
  /// Kills per container, for those whose kernel tells them.
  std::map<ContainerId, std::uint64_t> kills() const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::uint64_t before = 0;      // of cgroups of this id that are gone
    std::uint64_t of_living = 0;   // of the present one, as told last
    std::optional<Time> ended_at;  // nothing while it lives
  };
  std::map<ContainerId, Entry> entries_;
};

}  // namespace katameter
