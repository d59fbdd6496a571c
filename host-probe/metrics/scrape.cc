#include "host-probe/metrics/scrape.h"

#include <exception>

#include "host-probe/metrics/render.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/log.h"

namespace katameter::host {

bool write_scrape(const std::shared_ptr<const NodeReport>& report, const TextWriter::Send& send) try {
  if (report) {
    render(*report, send);
  } else {
    render_failure(send);
  }
  send(OwnMetrics::of_process().text());
  return true;
} catch (const std::exception& error) {  // out of memory
  log_error("a scrape failed", {{"error", error.what()}});
  return false;
}

}  // namespace katameter::host
