#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host-probe/overhead/overhead_history.h"

namespace katameter::host {

struct Quantiles {
  double p50 = 0;
  double p95 = 0;
  double max = 0;
};

/// Nearest rank: each is a value that there was. All 0 for no values.
Quantiles quantiles(std::vector<double> values);

/// The overhead of all sandboxes of one runtime handler.
struct HandlerOverhead {
  std::string handler;  // empty if it is not known
  std::size_t sandboxes = 0;
  std::int64_t first = 0;  // unix seconds
  std::int64_t last = 0;   // unix seconds
  Quantiles cpu;           // CPUs, of the sandboxes' means over their time
  Quantiles memory;        // bytes, of the highest of each sandbox
};

/// One for each handler, sorted by name.
std::vector<HandlerOverhead> summarize(const OverheadHistory& history);

}  // namespace katameter::host
