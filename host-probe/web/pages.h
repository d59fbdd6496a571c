#pragma once

#include <atomic>
#include <string>

struct mg_connection;

namespace katameter {

/// What the HTTP server answers besides the metrics: `/` with what belongs to it, `/-/healthy`, `/-/ready`. Nobody has to
/// log in for them: the page has no figures in it, a browser asks for the metrics itself.
class Pages {
 public:
  explicit Pages(std::string telemetry_path);

  /// From here on /-/ready says so.
  void set_ready() { ready_ = true; }

  /// The status of the answer if the request was for one of them and is answered; 0 if not. For any thread.
  int answer(mg_connection* connection) const;

 private:
  std::string telemetry_path_;
  std::string index_;  // the page, filled in
  std::atomic<bool> ready_ = false;
};

}  // namespace katameter
