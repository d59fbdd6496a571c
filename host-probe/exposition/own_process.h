#pragma once

#include "host-probe/exposition/families.h"

namespace katameter {

/// Adds what host-probe itself costs, under the names that all Prometheus clients use (process_*): getrusage() and
/// /proc/self.
void add_own_process(Families& families);

}  // namespace katameter
