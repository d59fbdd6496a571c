#include "host-probe/web/server.h"

#include <CivetServer.h>
#include <prometheus/exposer.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <string_view>

#include "host-probe/http/api.h"
#include "host-probe/metrics/scrape.h"
#include "host-probe/web/basic_auth.h"
#include "host-probe/web/knock.h"
#include "host-probe/web/listen_address.h"
#include "host-probe/web/metrics_answer.h"
#include "host-probe/web/pages.h"
#include "host-probe/web/web_config.h"
#include "userspace/log.h"

namespace katameter {
namespace {

// The Exposer has no way to hand anything on to a callback of its server.
std::atomic<const Pages*> pages_of_this_process = nullptr;
// Nor does it hand out its server.
std::atomic<mg_context*> context_of_this_process = nullptr;

void keep_context(const mg_context* context) {
  context_of_this_process = const_cast<mg_context*>(context);
}

int answer_metrics(mg_connection* connection, void* gate) {
  return answer_scrape(connection, *static_cast<ScrapeGate*>(gate));
}

int answer_api(mg_connection* connection, void* gate) try {
  const ScrapeGate::Report report = static_cast<ScrapeGate*>(gate)->ask(scrape_deadline);
  const ApiAnswer answer = answer_sandboxes(report.get());
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
            "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            answer.status, mg_get_response_code_text(connection, answer.status), answer.json.size());
  if (std::string_view(mg_get_request_info(connection)->request_method) != "HEAD") {
    mg_write(connection, answer.json.data(), answer.json.size());
  }
  return answer.status;
} catch (const std::exception& error) {  // out of memory
  log_error("a request of {} failed: {}", sandboxes_path, error.what());
  return 500;
}

int answer_page(mg_connection* connection) {
  const Pages* pages = pages_of_this_process;
  return pages == nullptr ? 0 : pages->answer(connection);
}

std::string advice(int code) {
  switch (code) {
    case EADDRINUSE: return "stop what listens there (ss -ltnp), or choose another port with --web.listen-address";
    case EACCES: return "ports below 1024 need CAP_NET_BIND_SERVICE; choose another with --web.listen-address";
    default: return "choose an address of this machine with --web.listen-address";
  }
}

Status check_addresses(const WebOptions& options) {
  for (const std::string& address : options.listen_addresses) {
    const auto parsed = parse_listen_address(address);
    if (!parsed) return failure(parsed.error().text);
    if (const Status free = try_listen(*parsed); !free) {
      return failure("cannot serve on " + address + ": " + free.error().text + "; " + advice(free.error().code));
    }
  }
  return {};
}

std::vector<std::string> server_options(const WebOptions& options) {
  std::string ports;
  for (const std::string& address : options.listen_addresses) ports += (ports.empty() ? "" : ",") + address;
  return {"listening_ports", ports, "num_threads", "2"};
}

}  // namespace

MetricsServer::MetricsServer() = default;
MetricsServer::MetricsServer(MetricsServer&&) noexcept = default;
MetricsServer::~MetricsServer() {
  if (exposer_) {
    const Knocking knocking(addresses_);
    exposer_.reset();
  }
  if (pages_) pages_of_this_process = nullptr;
}

void MetricsServer::set_ready() {
  pages_->set_ready();
}

Status MetricsServer::reload_users(const std::string& config_file) {
  Result<WebConfig> config = read_web_config(config_file);
  if (!config) return failure_from(config.error());
  if (config->users.empty() == (auth_ != nullptr)) {
    return failure(auth_ ? "whoever asks could read, where a password was needed so far: that takes a restart"
                         : "a password would be needed, where whoever asks can read so far: that takes a restart");
  }
  if (auth_) auth_->replace_users(std::move(config->users));
  return {};
}

Result<MetricsServer> MetricsServer::create(const WebOptions& options, ScrapeGate& gate) {
  const Result<WebConfig> config = read_web_config(options.config_file);
  if (!config) return failure_from(config.error());
  if (Status status = check_addresses(options); !status) return failure_from(status.error());

  MetricsServer server;
  server.pages_ = std::make_unique<Pages>(options.telemetry_path);
  pages_of_this_process = server.pages_.get();
  try {
    CivetCallbacks callbacks;
    callbacks.begin_request = &answer_page;
    callbacks.init_context = &keep_context;
    server.exposer_ = std::make_unique<prometheus::Exposer>(server_options(options), &callbacks);
    // Who may read is settled before there is anything to read.
    if (!config->users.empty()) {
      server.auth_ = std::make_shared<BasicAuth>(config->users);
      for (const std::string& path : {options.telemetry_path, std::string(sandboxes_path)}) {
        server.exposer_->RegisterAuth(
            [auth = server.auth_](const std::string& user, const std::string& password) {
              return auth->allows(user, password);
            },
            "katameter", path);
      }
    }
    // In place of the Exposer's own handler, whose serializer would take most of the time of a scrape.
    mg_set_request_handler(context_of_this_process, options.telemetry_path.c_str(), &answer_metrics, &gate);
    mg_set_request_handler(context_of_this_process, sandboxes_path, &answer_api, &gate);
    const std::vector<int> ports = server.exposer_->GetListeningPorts();
    for (std::size_t i = 0; i < options.listen_addresses.size(); ++i) {
      const std::string& address = options.listen_addresses[i];
      const std::string actual = address.substr(0, address.rfind(':') + 1) + std::to_string(ports.at(i));
      if (i > 0) server.urls_ += ' ';
      server.urls_ += "http://" + actual + options.telemetry_path;
      if (auto parsed = parse_listen_address(actual)) server.addresses_.push_back(*std::move(parsed));
    }
  } catch (const std::exception& error) {
    return failure("cannot serve: " + std::string(error.what()));
  }
  return server;
}

}  // namespace katameter
