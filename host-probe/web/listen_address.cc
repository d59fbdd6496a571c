#include "host-probe/web/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "userspace/fd.h"

namespace katameter {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressList look_up(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoi(std::string(text)) <= 65535;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [&] {
    return failure("'" + std::string(text) + "' is no listen address: give IP:PORT, as in 127.0.0.1:9717");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed != (host.find(':') != std::string_view::npos)) return wrong();
  ListenAddress address{std::string(host), std::string(text.substr(colon + 1))};
  if (host.empty() || !is_port(address.port) || !look_up(address)) return wrong();
  return address;
}

Status try_listen(const ListenAddress& address) {
  const AddressList found = look_up(address);
  if (!found) return failure("no such address");
  const Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return system_failure("cannot make a socket");
  const int yes = 1;  // as the server does: connections that are closing do not keep a port
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 || listen(socket.get(), 1) != 0) {
    return system_failure("cannot listen");
  }
  return {};
}

void knock(const ListenAddress& address) {
  const AddressList found = look_up(address);
  if (!found) return;
  const Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Has been heard even where it is still under way.
  if (socket) static_cast<void>(connect(socket.get(), found->ai_addr, found->ai_addrlen));
}

}  // namespace katameter
