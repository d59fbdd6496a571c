#pragma once

#include <string>

#include "host-probe/cli/host_probe_client.h"
#include "host-probe/cli/sandbox_table.h"
#include "userspace/result.h"

namespace katameter::host {

struct TopOptions {
  HttpTarget target;
  double interval_seconds = 2;
  SandboxOrder order = SandboxOrder::cpu;
  std::string filter;  // of namespace/pod, or the sandbox's id
  bool containers = false;
  bool json = false;
};

/// Shows what the sandboxes cost: on a terminal again and again until `q`, else once, as text or JSON. Rates are over one
/// interval.
Status show_top(const TopOptions& options);

}  // namespace katameter::host
