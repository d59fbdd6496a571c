#include "host-probe/exposition/node_collectable.h"

#include <exception>

#include "host-probe/exposition/render.h"
#include "userspace/log.h"

namespace katameter {

std::vector<prometheus::MetricFamily> NodeCollectable::Collect() const try {
  const ScrapeGate::Report report = gate_.ask(deadline);
  return report ? render(*report) : render_failure();
} catch (const std::exception& error) {  // out of memory; the caller is foreign code, nothing may get out
  log_error("a scrape failed: {}", error.what());
  return {};
}

}  // namespace katameter
