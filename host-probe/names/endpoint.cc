#include "host-probe/names/endpoint.h"

namespace katameter::host {

Result<std::string> parse_runtime_endpoint(std::string_view text) {
  constexpr std::string_view scheme = "unix://";
  std::string_view path = text;
  if (path.starts_with(scheme)) path.remove_prefix(scheme.size());
  if (!path.starts_with('/') || path.size() == 1) {
    return failure("'" + std::string(text) +
                   "' is no Unix socket; write it as in unix:///run/containerd/containerd.sock");
  }
  return std::string(path);
}

std::vector<RuntimeEndpoint> runtime_endpoints(const std::vector<std::string>& configured,
                                               const std::string& run_root) {
  std::vector<RuntimeEndpoint> endpoints;
  for (const std::string& text : configured) {
    if (auto socket = parse_runtime_endpoint(text)) endpoints.push_back({std::move(*socket), true});
  }
  if (!endpoints.empty()) return endpoints;
  for (const char* usual : {"/containerd/containerd.sock", "/crio/crio.sock", "/k3s/containerd/containerd.sock"}) {
    endpoints.push_back({run_root + usual, false});
  }
  return endpoints;
}

}  // namespace katameter::host
