#pragma once

#include "userspace/allowance.h"

namespace katameter {

/// What one guest may have the host work on. It outlives connections: a new one brings nothing new.
///
/// guest-probe itself stays far below: the largest frame is 2 MiB, when 2,000 containers have every figure at its largest,
/// and comes once for each scrape; it keeps 256 events (OOM_KEPT), and a kernel needs milliseconds for each OOM kill. Time
/// is CPU time of host-probe's thread, in seconds.
struct GuestBudget {
  Allowance bytes{8.0 * 1024 * 1024, 2.0 * 1024 * 1024};
  Allowance events{1024, 100};
  Allowance work{1.0, 0.05};
};

}  // namespace katameter
