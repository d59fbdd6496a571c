#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host-probe/metrics/scrape_gate.h"
#include "userspace/result.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace katameter {

class BasicAuth;
class Pages;
struct ListenAddress;

struct WebOptions {
  std::vector<std::string> listen_addresses{"127.0.0.1:9717"};  ///< `IP:PORT` or `[IPv6]:PORT`; port 0 takes a free one
  std::string telemetry_path = "/metrics";
  std::string config_file;  ///< who may read; empty = everybody
};

/// Serves the metrics, with threads of its own, until it is destroyed. One in a process.
class MetricsServer {
 public:
  /// `gate` must live longer. The error is one line that says what to do.
  static Result<MetricsServer> create(const WebOptions& options, ScrapeGate& gate);
  MetricsServer(MetricsServer&&) noexcept;
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(MetricsServer&&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  ~MetricsServer();

  /// Where the metrics are in fact, as `http://IP:PORT/metrics`, with blanks between if there are several.
  const std::string& urls() const { return urls_; }

  /// From here on /-/ready says so.
  void set_ready();

  /// Reads the configuration file again: the users are those that it has now. On an error they stay who they were.
  Status reload_users(const std::string& config_file);

 private:
  MetricsServer();
  std::string urls_;
  std::vector<ListenAddress> addresses_;
  std::unique_ptr<Pages> pages_;
  std::shared_ptr<BasicAuth> auth_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace katameter
