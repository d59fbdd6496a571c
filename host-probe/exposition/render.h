#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "host-probe/merge/report.h"

namespace katameter {

/// The report as Prometheus families. A figure that is not known has no series. All labels are made here: from a
/// guest come numbers and container ids only.
std::vector<prometheus::MetricFamily> render(const NodeReport& report);

/// What there is to say when no report came in time.
std::vector<prometheus::MetricFamily> render_failure();

}  // namespace katameter
