#pragma once

#include <atomic>
#include <string>

struct mg_connection;

namespace katameter {

/// What the HTTP server answers besides the metrics: `/`, `/-/healthy`, `/-/ready`. Nobody has to log in for them.
class Pages {
 public:
  explicit Pages(std::string telemetry_path) : telemetry_path_(std::move(telemetry_path)) {}

  /// From here on /-/ready says so.
  void set_ready() { ready_ = true; }

  /// The status of the answer if the request was for one of them and is answered; 0 if not. For any thread.
  int answer(mg_connection* connection) const;

 private:
  std::string landing_page() const;

  std::string telemetry_path_;
  std::atomic<bool> ready_ = false;
};

}  // namespace katameter
