#include "host-probe/web/pages.h"

#include <civetweb.h>

#include <string_view>
#include <utility>

#include "host-probe/web/page_files.h"

namespace katameter {
namespace {

// Nothing from elsewhere, nothing inline: a name that got into the page as markup could still do nothing.
constexpr const char* policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

int send(mg_connection* connection, int status, const char* type, std::string_view body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\n"
            "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Security-Policy: %s\r\n"
            "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
            status, mg_get_response_code_text(connection, status), type, body.size(), policy);
  if (std::string_view(mg_get_request_info(connection)->request_method) != "HEAD") {
    mg_write(connection, body.data(), body.size());
  }
  return status;
}

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

Pages::Pages(std::string telemetry_path) : telemetry_path_(std::move(telemetry_path)) {
  for (const PageFile& file : page_files()) {
    if (file.name != "index.html") continue;
    index_ = file.text;
    fill_in(index_, "@METRICS@", telemetry_path_.substr(1));  // relative: a proxy may serve the page below a prefix
    fill_in(index_, "@VERSION@", KATAMETER_VERSION);
  }
}

int Pages::answer(mg_connection* connection) const {
  const char* uri = mg_get_request_info(connection)->local_uri;
  if (uri == nullptr) return 0;
  const std::string_view path = uri;
  if (path == "/-/healthy") return send(connection, 200, "text/plain", "host-probe is healthy.\n");
  if (path == "/-/ready") {
    if (ready_) return send(connection, 200, "text/plain", "host-probe is ready.\n");
    return send(connection, 503, "text/plain", "host-probe is starting.\n");
  }
  if (path == "/" && telemetry_path_ != "/") return send(connection, 200, "text/html", index_);
  constexpr std::string_view folder = "/page/";
  if (!path.starts_with(folder)) return 0;
  for (const PageFile& file : page_files()) {
    if (file.name == path.substr(folder.size())) return send(connection, 200, type_of(file.name), file.text);
  }
  return 0;
}

}  // namespace katameter
