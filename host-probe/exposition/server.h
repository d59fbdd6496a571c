#pragma once

#include <memory>
#include <string>

#include "host-probe/exposition/scrape_gate.h"
#include "userspace/result.h"

namespace prometheus {
class Collectable;
class Exposer;
}  // namespace prometheus

namespace katameter {

/// Serves /metrics, with threads of its own, until it is destroyed.
class MetricsServer {
 public:
  /// `address` is `IP:PORT` or `[IPv6]:PORT`; port 0 takes a free one. `gate` must live longer. The error is one line
  /// that says what to do.
  static Result<MetricsServer> create(const std::string& address, ScrapeGate& gate);
  MetricsServer(MetricsServer&&) noexcept;
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(MetricsServer&&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  ~MetricsServer();

  /// Where it listens in fact, as `IP:PORT`.
  const std::string& address() const { return address_; }

 private:
  MetricsServer();
  std::string address_;
  std::shared_ptr<prometheus::Collectable> collectable_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace katameter
