#pragma once

#include <string>

#include "host-probe/node/report.h"

// GET /api/sandboxes: what each sandbox costs, as JSON (docs/api.md). `top`, the page and the demo print this.
namespace katameter::host {

inline constexpr const char* sandboxes_path = "/api/sandboxes";
/// Of the document. Fields may be added within a version; none changes its meaning or its unit, and none goes.
inline constexpr int sandboxes_version = 1;

struct ApiAnswer {
  int status = 200;  ///< HTTP
  std::string json;
};

/// The document of one report: status 503 and an `error` if it is null, because the collection did not end in time.
/// Values are cumulative or of the moment, with the time of the report; a client computes rates from two documents,
/// so that host-probe keeps nothing for a client and no client changes what another one gets.
ApiAnswer answer_sandboxes(const NodeReport* report);

}  // namespace katameter::host
