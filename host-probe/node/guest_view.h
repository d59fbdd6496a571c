#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/accounting/cpu.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// The guest's part of a report: one accepted snapshot. All that a report takes from a guest's snapshots is in here and
/// nowhere else, so that a guest that is not believed is left out whole, by leaving out this object.
struct GuestView {
  std::vector<wire::Container> containers;          // each id once, in their order
  std::map<ContainerId, std::int64_t> start_times;  // of `containers`, as far as known: unix time in seconds
  wire::Guest guest_wide;                           // values of the guest as a whole
  std::vector<wire::Interface> interfaces;          // each name once
  std::optional<GuestCpu> cpu;                      // absent if the guest does not report it
  std::optional<GuestSystemCpu> system_cpu;         // absent with cpu, or if the guest does not report it
  std::uint64_t run = 0;                            // counts the runs of this sandbox's guest: cpu is of this one
  bool late = false;                                // answers an earlier collection than the report's
  std::int64_t age_seconds = 0;                     // of the snapshot when the report was made
};

}  // namespace katameter::host
