#pragma once

#include <string>

#include "userspace/wire/messages.h"

namespace katameter::bench {

/// The containers of a snapshot as Prometheus text, series alone: without what is said once of each metric, and with the
/// names of pods and containers, which no guest knows, empty.
std::string container_series(const wire::Snapshot& snapshot);

}  // namespace katameter::bench
