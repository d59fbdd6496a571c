#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "host-probe/accounting/oom.h"
#include "host-probe/processes/process_source.h"

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

/// What is kept of a sandbox over all runs of its guest, and for a while after its end: a sandbox of this id that comes
/// back goes on from here. Pure: the caller gives the time.
struct SandboxHistory {
  using Time = OomKillCounters::Time;

  OomKillCounters oom_kills;
  BoundedSet<std::string, 64> interface_names;
  BoundedSet<std::pair<std::uint32_t, std::uint32_t>, 64> block_device_numbers;

  // Of an ended sandbox, on the host.
  HostOoms host_ooms;
  Time host_ooms_until{};

  /// The sandbox has ended, having had these kills on the host.
  void end(Time now, HostOoms kills) {
    std::erase_if(kills, [](const auto& role) { return role.second == 0; });
    host_ooms = std::move(kills);
    host_ooms_until = now + OomKillCounters::window;
    oom_kills.all_ended(now);
  }

  /// Nothing is left to report after end().
  bool expired(Time now) {
    oom_kills.expire(now);
    return oom_kills.empty() && (host_ooms.empty() || now >= host_ooms_until);
  }
};

}  // namespace katameter::host
