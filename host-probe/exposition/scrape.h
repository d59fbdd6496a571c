#pragma once

#include <chrono>

#include "host-probe/exposition/families.h"
#include "host-probe/exposition/scrape_gate.h"

namespace katameter {

/// A scraper gets an answer within this time, whatever the event loop does.
inline constexpr std::chrono::milliseconds scrape_deadline{2000};

/// What one scrape is answered with: values are made now, none are kept. For the HTTP server's threads.
Exposition scrape(ScrapeGate& gate);

}  // namespace katameter
