#include "host-probe/exposition/scrape.h"

#include <exception>

#include "host-probe/exposition/render.h"
#include "userspace/log.h"

namespace katameter {

Exposition scrape(ScrapeGate& gate) try {
  const ScrapeGate::Report report = gate.ask(scrape_deadline);
  return report ? render(*report) : render_failure();
} catch (const std::exception& error) {  // out of memory; the caller is foreign code, nothing may get out
  log_error("a scrape failed: {}", error.what());
  return {};
}

}  // namespace katameter
