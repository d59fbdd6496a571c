#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "userspace/wire/messages.h"

namespace katameter {

/// When the containers of one sandbox began, by the host's clock. Guests say it by theirs: each container's age is
/// turned into a time once, at first sight, so that it does not move with the clocks. Pure: the caller gives the time.
class HostStartTimes {
 public:
  using WallTime = std::chrono::system_clock::time_point;
  /// Unix time in whole seconds, as cAdvisor has it.
  using Seconds = std::map<ContainerId, std::int64_t>;

  /// With another boot id than before, nothing is known any more.
  void connected(const std::string& boot_id);
  /// A snapshot that the rules have let pass, taken over at `now`. A container that would have begun after the
  /// snapshot has no start.
  void take_over(const wire::Snapshot& snapshot, WallTime now);
  /// Those of `containers` that are known.
  Seconds of(const std::vector<wire::Container>& containers) const;

 private:
  struct Start {
    std::uint64_t boottime_ns = 0;  // as the guest says
    std::int64_t seconds = 0;
  };
  std::string boot_id_;
  std::map<ContainerId, Start> starts_;
};

}  // namespace katameter
