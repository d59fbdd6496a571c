#pragma once

#include "host-probe/node/report.h"

namespace katameter::host::testing {

/// What the names of pods and containers look like.
enum class NameStyle {
  ordinary,
  hostile,  // markup and quotes, as a page or a query must not take for its own
};

/// What a node with three sandboxes would report `seconds` after its start, with every figure that there is: all counters
/// grow evenly. shop/web-0 has two containers besides its pause container, which use 0.3 and 0.05 CPUs; batch/crunch-0
/// has one that uses its quota of 0.2 CPUs, is throttled in 9 of 10 periods and OOM-killed every 2 s; the guest of
/// shop/silent-0 has no guest-probe.
NodeReport fake_report(double seconds, NameStyle names);

}  // namespace katameter::host::testing
