#include "host-probe/web/pages.h"

#include <civetweb.h>

#include <string_view>

namespace katameter {
namespace {

int send(mg_connection* connection, int status, const char* type, std::string_view body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\n"
            "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            status, mg_get_response_code_text(connection, status), type, body.size());
  if (std::string_view(mg_get_request_info(connection)->request_method) != "HEAD") {
    mg_write(connection, body.data(), body.size());
  }
  return status;
}

}  // namespace

std::string Pages::landing_page() const {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>katameter host-probe</title></head>\n<body>\n"
         "<h1>katameter host-probe " KATAMETER_VERSION
         "</h1>\n<p>The Kata sandboxes of this node.</p>\n<ul>\n"
         "<li><a href=\"" +
         telemetry_path_ +
         "\">Metrics</a></li>\n<li><a href=\"/-/healthy\">Healthy</a></li>\n"
         "<li><a href=\"/-/ready\">Ready</a></li>\n</ul>\n</body>\n</html>\n";
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
  if (path == "/" && telemetry_path_ != "/") return send(connection, 200, "text/html", landing_page());
  return 0;
}

}  // namespace katameter
