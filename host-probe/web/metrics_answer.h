#pragma once

#include "host-probe/exposition/families.h"

struct mg_connection;

namespace katameter {

/// Sends an exposition as the answer to a request, compressed if the scraper takes gzip, and gives the memory back.
/// Returns the status.
int answer_with(mg_connection* connection, Exposition exposition);

}  // namespace katameter
