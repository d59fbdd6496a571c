#pragma once

#include "host-probe/exposition/labelled_report.h"

namespace katameter {

/// What the guests tell of their containers, cAdvisor's metrics first; `last_seen` is the moment of the report, unix time
/// in seconds.
void add_containers(Families& families, const LabelledReport& report, double last_seen);

}  // namespace katameter
