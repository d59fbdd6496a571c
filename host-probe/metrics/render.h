#pragma once

#include "host-probe/metrics/text_writer.h"
#include "host-probe/node/report.h"

namespace katameter::host {

/// Writes the report in Prometheus' text format. A value that is not known has no series. All labels are made here: a
/// guest sends numbers and container ids only.
void render(const NodeReport& report, TextWriter::Send send);

/// Writes what is served when no report came in time: host-probe itself.
void render_failure(TextWriter::Send send);

}  // namespace katameter::host
