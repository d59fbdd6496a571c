#pragma once

#include "host-probe/metrics/scrape_gate.h"

struct mg_connection;

namespace katameter {

/// Answers a request with a scrape, sent while it is written and compressed if the scraper takes gzip. In chunks, so that
/// a scraper can tell an answer that broke off; only one that speaks HTTP/1.0 cannot. Returns the status.
int answer_scrape(mg_connection* connection, ScrapeGate& gate);

}  // namespace katameter
