#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/result.h"

namespace katameter::host {

/// Where a container runtime answers: the path of its socket.
struct RuntimeEndpoint {
  std::string socket;
  bool configured = false;  // asked for by the operator; else a place that is tried, where there may be nothing
};

/// The path in `unix:///path` or `/path`; other forms are errors that say so.
Result<std::string> parse_runtime_endpoint(std::string_view text);

/// The configured endpoints or, without any, where containerd, CRI-O and k3s's containerd listen below the run root.
/// `configured` holds what parse_runtime_endpoint() has let pass.
std::vector<RuntimeEndpoint> runtime_endpoints(const std::vector<std::string>& configured, const std::string& run_root);

}  // namespace katameter::host
