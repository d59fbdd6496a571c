#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "host-probe/exposition/scrape_gate.h"

namespace katameter {

/// What the HTTP server calls for each scrape: values are made then, none are kept.
class NodeCollectable : public prometheus::Collectable {
 public:
  /// A scraper gets an answer within this time, whatever the event loop does.
  static constexpr std::chrono::milliseconds deadline{2000};

  /// `gate` must live longer.
  explicit NodeCollectable(ScrapeGate& gate) : gate_(gate) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  ScrapeGate& gate_;
};

}  // namespace katameter
