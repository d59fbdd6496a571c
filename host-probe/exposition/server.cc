#include "host-probe/exposition/server.h"

#include <prometheus/exposer.h>

#include <cerrno>
#include <exception>

#include "host-probe/exposition/listen_address.h"
#include "host-probe/exposition/node_collectable.h"

namespace katameter {
namespace {

std::string advice(int code) {
  switch (code) {
    case EADDRINUSE: return "stop what listens there (ss -ltnp), or choose another port with --web.listen-address";
    case EACCES: return "ports below 1024 need CAP_NET_BIND_SERVICE; choose another with --web.listen-address";
    default: return "choose an address of this machine with --web.listen-address";
  }
}

}  // namespace

MetricsServer::MetricsServer() = default;
MetricsServer::MetricsServer(MetricsServer&&) noexcept = default;
MetricsServer::~MetricsServer() = default;

Result<MetricsServer> MetricsServer::create(const std::string& address, ScrapeGate& gate) {
  const auto parsed = parse_listen_address(address);
  if (!parsed) return failure(parsed.error().text);
  const Status free = try_listen(*parsed);
  if (!free) {
    return failure("cannot serve on " + address + ": " + free.error().text + "; " + advice(free.error().code));
  }
  MetricsServer server;
  try {
    server.exposer_ = std::make_unique<prometheus::Exposer>(address);
    server.collectable_ = std::make_shared<NodeCollectable>(gate);
    server.exposer_->RegisterCollectable(server.collectable_);
    const std::string host = address.substr(0, address.rfind(':') + 1);
    server.address_ = host + std::to_string(server.exposer_->GetListeningPorts().at(0));
  } catch (const std::exception& error) {
    return failure("cannot serve on " + address + ": " + error.what());
  }
  return server;
}

}  // namespace katameter
