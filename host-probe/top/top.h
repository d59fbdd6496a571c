#pragma once

#include <string>

#include "userspace/result.h"

namespace katameter {

struct TopOptions {
  std::string address = "127.0.0.1:9717";  // of the running host-probe
  std::string path = "/metrics";
  double interval_seconds = 2;
  bool containers = false;
  bool json = false;
};

/// Shows what the sandboxes cost: on a terminal again and again until `q`, with `c` folding their containers out and
/// in; else once, as text or JSON. Rates are over one interval.
Status show_top(const TopOptions& options);

}  // namespace katameter
