#include "host-probe/http/pages.h"

#include "host-probe/http/api.h"
#include "host-probe/metrics/render.h"

namespace katameter::host::http {
namespace {

const char* type_of(std::string_view file) {
  return file.ends_with(".js") ? "text/javascript" : file.ends_with(".css") ? "text/css" : "text/html";
}

// For texts that need no escaping (options.cc).
void fill_in(std::string& page, std::string_view mark, std::string_view text) {
  for (auto at = page.find(mark); at != std::string::npos; at = page.find(mark, at + text.size())) {
    page.replace(at, mark.size(), text);
  }
}

}  // namespace

std::vector<ReportPage> report_pages(const std::string& telemetry_path) {
  const auto write_api = [](const ReportPage::Report& report, const Send& send) {
    send(answer_sandboxes(report.get()).json);
    return true;
  };
  return {{telemetry_path, "text/plain; version=0.0.4; charset=utf-8", &write_scrape},
          {sandboxes_path, "application/json", write_api, 503}};
}

Pages::Pages(std::string_view telemetry_path) {
  for (const PageFile& file : page_files()) {
    if (file.name != "index.html") continue;
    index_ = file.text;
    fill_in(index_, "@METRICS@", telemetry_path.substr(1));
    fill_in(index_, "@VERSION@", KATAMETER_VERSION);
  }
}

std::optional<Page> Pages::find(std::string_view path) const {
  if (path == "/-/healthy") return Page{200, "text/plain", "host-probe is healthy.\n", "/-/healthy"};
  if (path == "/-/ready") {
    if (ready_) return Page{200, "text/plain", "host-probe is ready.\n", "/-/ready"};
    return Page{503, "text/plain", "host-probe is starting.\n", "/-/ready"};
  }
  if (path == "/") return Page{200, "text/html", index_, "/"};
  constexpr std::string_view folder = "/page/";
  if (!path.starts_with(folder)) return std::nullopt;
  for (const PageFile& file : page_files()) {
    if (file.name != path.substr(folder.size())) continue;
    return Page{200, type_of(file.name), file.text, "/page/"};
  }
  return std::nullopt;
}

}  // namespace katameter::host::http
