#pragma once

#include "bpf/guest/records.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Puts into a row what its container has asked of virtiofs: those of the figures that are served.
void set_virtiofs(wire::Container& row, const virtiofs_sums& sums, const FigureSet& served);

}  // namespace katameter::guest
