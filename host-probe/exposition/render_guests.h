#pragma once

#include "host-probe/exposition/labelled_report.h"

namespace katameter {

/// Each guest as a whole: whether it answers and can be believed, its OOM kills, memory, network and CPU.
void add_guests(Families& families, const LabelledReport& report);

}  // namespace katameter
