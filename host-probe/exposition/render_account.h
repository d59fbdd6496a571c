#pragma once

#include "host-probe/exposition/labelled_report.h"

namespace katameter {

/// The books of each sandbox.
void add_accounts(Families& families, const LabelledReport& report);

}  // namespace katameter
