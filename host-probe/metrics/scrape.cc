#include "host-probe/metrics/scrape.h"

#include <exception>

#include "host-probe/metrics/render.h"
#include "userspace/log.h"

namespace katameter {

bool scrape(ScrapeGate& gate, const TextWriter::Send& send) try {
  const ScrapeGate::Report report = gate.ask(scrape_deadline);
  if (report) {
    render(*report, send);
  } else {
    render_failure(send);
  }
  return true;
} catch (const std::exception& error) {  // out of memory; the caller is foreign code, nothing may get out
  log_error("a scrape failed", {{"error", error.what()}});
  return false;
}

}  // namespace katameter
