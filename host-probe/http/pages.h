#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host-probe/http/body.h"
#include "host-probe/node/report.h"

namespace katameter::host::http {

/// A file of host-probe/http/page/, as it was when host-probe was built.
struct PageFile {
  std::string_view name;
  std::string_view text;
};

std::span<const PageFile> page_files();

/// A path that is answered with what is made of a report of now, for those who may read.
struct ReportPage {
  using Report = std::shared_ptr<const NodeReport>;

  std::string path;
  std::string type;
  /// Writes the text, in a thread of its own; `report` is null if there was none in time. False: it broke off.
  std::function<bool(const Report& report, const Send& send)> write;
  int status_without_report = 200;
};

/// All of these; the metrics at `telemetry_path`.
std::vector<ReportPage> report_pages(const std::string& telemetry_path);

/// An answer that needs no report: status, type and text.
struct Page {
  int status = 200;
  const char* type = "text/plain";
  std::string_view text;  // lives as long as Pages
  const char* handler;    // by which requests are counted
};

/// What is served besides what is made of a report: `/` with its files, `/-/healthy`, `/-/ready`. They need no login:
/// the page contains no values, the browser asks for those. Links are relative, so that a proxy may serve all of it
/// below a prefix.
class Pages {
 public:
  /// `telemetry_path`: where the metrics are, from `/` on.
  explicit Pages(std::string_view telemetry_path);

  /// From here on /-/ready answers with 200.
  void set_ready() { ready_ = true; }

  std::optional<Page> find(std::string_view path) const;

 private:
  std::string index_;  // the page, filled in
  bool ready_ = false;
};

}  // namespace katameter::host::http
