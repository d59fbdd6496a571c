#pragma once

#include "host-probe/metrics/labelled_report.h"

namespace katameter::host {

/// Writes the metrics that are one value of a container's snapshot.
void add_containers(TextWriter& writer, const LabelledReport& report);

}  // namespace katameter::host
