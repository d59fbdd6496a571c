#include "host-probe/discovery/discovery.h"

#include <filesystem>

namespace katameter::host {

Result<Discovery> Discovery::create(EventLoop& loop, const std::string& run_root, const DiscoveryEvents& events) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(run_root, error).lexically_normal();
  if (error) return system_failure("cannot tell where " + run_root + " is", error.value());
  auto inotify = Inotify::create(loop);
  if (!inotify) return failure_from(std::move(inotify.error()));
  Discovery discovery;
  discovery.inotify_ = std::move(*inotify);
  for (const Layout& layout : layouts) {
    discovery.watches_.push_back(std::make_unique<LayoutWatch>(*discovery.inotify_, absolute.string(), layout, events));
  }
  discovery.rootless_ = std::make_unique<RootlessWatch>(*discovery.inotify_, absolute.string(), events);
  return discovery;
}

}  // namespace katameter::host
