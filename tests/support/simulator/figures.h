#pragma once

#include <chrono>
#include <cstdint>

#include "userspace/wire/messages.h"

namespace katameter::simulator {

/// The id of a container of a guest; container 0 is the pause container, whose id is the sandbox's. As even as a random
/// one: what a scrape compresses to depends on it.
ContainerId container_id(std::uint64_t guest, std::uint32_t container);

/// What a guest-probe with cgroup v1 would say of guest number `guest` and its `containers` containers, pause container
/// included, when the guest has been up for `uptime`. A pure function: counters rise with the uptime, each container's
/// at a rate of its own, and no figure breaks a rule of host-probe's. CPU time is that of an uptime of `busy`. `request`
/// and `sequence` are left at 0.
wire::Snapshot figures_of(std::uint64_t guest, std::uint32_t containers, std::chrono::nanoseconds uptime,
                          std::chrono::nanoseconds busy);

/// What the guests of a fleet have in common.
struct Load {
  std::uint32_t containers = 4;  // the pause container included
  bool idle = false;             // uses a thousandth of the CPU time: where processes that sleep stand for the VMM
};

}  // namespace katameter::simulator
