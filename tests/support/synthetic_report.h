#pragma once

#include <cstddef>

#include "host-probe/node/report.h"

namespace katameter::host::testing {

/// A node with `sandboxes` sandboxes of `containers` containers each, with every figure that there is: named, with their
/// guests' and their hosts' accounts.
NodeReport synthetic_report(std::size_t sandboxes, std::size_t containers);

}  // namespace katameter::host::testing
