#pragma once

#include <string>

namespace katameter {

/// Every metric that host-probe can serve, by what it is about, with type, unit, labels and origin: docs/metrics.md.
std::string catalogue_markdown();

}  // namespace katameter
