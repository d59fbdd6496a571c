#pragma once

#include <cstdint>
#include <optional>

#include "host-probe/merge/report.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Divides the guest system's CPU time between its owners; nothing if the guest does not tell them. The four together
/// are always `guest_system_ns`. None falls from `last` on: the guest reads the owners a moment before the whole, so
/// that a part may have come further than the whole less the rest, and is then told a moment late.
std::optional<GuestSystemCpu> divide_guest_system_cpu(std::uint64_t guest_system_ns, const wire::Guest& guest,
                                                      const std::optional<GuestSystemCpu>& last);

}  // namespace katameter
