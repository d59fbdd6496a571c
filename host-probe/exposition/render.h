#pragma once

#include "host-probe/exposition/families.h"
#include "host-probe/merge/report.h"

namespace katameter {

/// The report in Prometheus' text format. A figure that is not known has no series. All labels are made here: from a
/// guest come numbers and container ids only.
Exposition render(const NodeReport& report);

/// What there is to say when no report came in time.
Exposition render_failure();

}  // namespace katameter
