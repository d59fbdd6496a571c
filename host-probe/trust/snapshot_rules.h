#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "host-probe/trust/drop_reason.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Decides whether a snapshot of one guest is believed, by what the guest said before. Pure: the caller gives the time.
/// The decoder has already bounded sizes and numbers of entries.
class SnapshotRules {
 public:
  /// A connection is up. With another boot id than before every counter may start again.
  void connected(const std::string& boot_id);

  using Time = std::chrono::steady_clock::time_point;
  /// By how much a guest's clock may gain on the host's: a guest may learn of a pause late, and in one go.
  static constexpr std::chrono::seconds clock_slack{30};

  /// Takes the snapshot, received `now`, as the new measure if it keeps all rules; else says which one it breaks and
  /// where, and remembers nothing of it.
  std::optional<Drop> check(const wire::Snapshot& snapshot, Time now);

 private:
  struct Known {
    wire::Guest guest;
    std::uint64_t boottime_ns = 0;
    std::optional<Time> received;
    std::map<ContainerId, wire::Container> living;
  };
  static std::optional<Drop> check_interfaces(const wire::Snapshot& snapshot);
  std::optional<Drop> check_clock(const wire::Snapshot& snapshot, Time now) const;
  static std::optional<Drop> check_block_devices(const wire::Snapshot& snapshot);
  std::optional<Drop> check_guest(const wire::Snapshot& snapshot) const;
  std::optional<Drop> check_container(const wire::Container& container) const;
  std::optional<Drop> check_containers(const wire::Snapshot& snapshot) const;

  std::string boot_id_;
  Known known_;
};

}  // namespace katameter
