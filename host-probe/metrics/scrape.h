#pragma once

#include <chrono>

#include "host-probe/metrics/scrape_gate.h"
#include "host-probe/metrics/text_writer.h"

namespace katameter {

/// A scraper gets an answer within this time, whatever the event loop does.
inline constexpr std::chrono::milliseconds scrape_deadline{2000};

/// Writes what one scrape is answered with: values are made now, none are kept. For the HTTP server's threads. False if
/// it broke off (logged): what was sent is not all.
bool scrape(ScrapeGate& gate, const TextWriter::Send& send);

}  // namespace katameter
