#pragma once

#include <memory>

#include "host-probe/metrics/text_writer.h"
#include "host-probe/node/report.h"

namespace katameter::host {

/// Writes the report in Prometheus' text format. A value that is not known has no series. All labels are made here: a
/// guest sends numbers and container ids only.
void render(const NodeReport& report, TextWriter::Send send);

/// Writes what is served when no report came in time: host-probe itself.
void render_failure(TextWriter::Send send);

/// Writes what one scrape is answered with: the series of the report as they are made, then what host-probe counts of
/// its own work. `report` is null if there was none in time. For any thread. False if it broke off (logged): what was
/// sent is not all.
bool write_scrape(const std::shared_ptr<const NodeReport>& report, const TextWriter::Send& send);

}  // namespace katameter::host
