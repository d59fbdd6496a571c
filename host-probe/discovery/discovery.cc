#include "host-probe/discovery/discovery.h"

#include <filesystem>

namespace katameter {

Result<Discovery> Discovery::create(EventLoop& loop, const std::string& run_root, const DiscoveryEvents& events) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(run_root, error).lexically_normal();
  if (error) return system_failure("cannot tell where " + run_root + " is", error.value());
  Discovery discovery;
  for (const Layout& layout : layouts) {
    auto watch = LayoutWatch::create(loop, absolute.string(), layout, events);
    if (!watch) return failure_from(std::move(watch.error()));
    discovery.watches_.push_back(std::move(*watch));
  }
  return discovery;
}

}  // namespace katameter
