#pragma once

#include "host-probe/exposition/labelled_report.h"

namespace katameter {

/// What the sandboxes' processes cost the host, and the host's OOM kills, which outlive a sandbox for a while.
void add_processes(Families& families, const LabelledReport& report);

}  // namespace katameter
