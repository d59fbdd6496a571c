#pragma once

#include "host-probe/exposition/families.h"
#include "host-probe/merge/report.h"

namespace katameter {

/// The report in Prometheus' text format. A figure that is not known has no series. All labels are made here: from a
/// guest come numbers and container ids only.
void render(const NodeReport& report, Families::Send send);

/// What there is to say when no report came in time.
void render_failure(Families::Send send);

}  // namespace katameter
