#pragma once

#include <string>

#include "host-probe/node/report.h"

namespace katameter::host::bench {

/// What a scraper gets of a report, made the way that host-probe makes it.
std::string exposed(const NodeReport& report);

}  // namespace katameter::host::bench
