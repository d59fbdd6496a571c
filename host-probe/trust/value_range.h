#pragma once

#include <optional>

#include "host-probe/trust/drop_reason.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Whether every figure of a snapshot is one that a guest can have, whatever it said before. Time is bounded by how
/// long the guest has been up: CPU time by as many CPUs as a VMM can give, waiting by as many tasks as a kernel can
/// have (PID_MAX_LIMIT). Limits may be anything: a kernel has several values for "none".
std::optional<Drop> check_values(const wire::Snapshot& snapshot);

}  // namespace katameter
