#include "host-probe/http/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "userspace/log.h"

namespace katameter::host::http {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoi(std::string(text)) <= 65535;
}

// `flags`: AI_NUMERICHOST, or 0 to ask the resolver.
int look_up(const ListenAddress& address, int flags, AddressList& list) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE | flags;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  list.reset(status == 0 ? found : nullptr);
  return status;
}

bool is_numeric(const ListenAddress& address) {
  AddressList list{nullptr, &freeaddrinfo};
  return look_up(address, AI_NUMERICHOST, list) == 0;
}

bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

std::string advice(int code) {
  switch (code) {
    case EADDRINUSE: return "stop what listens there (ss -ltnp), or choose another port with --web.listen-address";
    case EACCES: return "ports below 1024 need CAP_NET_BIND_SERVICE; choose another with --web.listen-address";
    default: return "choose an address of this machine with --web.listen-address";
  }
}

std::string name_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "?";
  if (storage.ss_family == AF_UNIX) {
    const auto* path = reinterpret_cast<const sockaddr_un*>(&storage)->sun_path;
    const std::size_t length = std::min(sizeof(sockaddr_un::sun_path), size - offsetof(sockaddr_un, sun_path));
    const bool abstract = length > 0 && path[0] == '\0';
    return abstract ? "unix:@" + std::string(path + 1, length - 1) : "unix:" + std::string(path, strnlen(path, length));
  }
  char host[NI_MAXHOST] = {};
  char port[NI_MAXSERV] = {};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  const std::string text = host;
  return (storage.ss_family == AF_INET6 ? "[" + text + "]" : text) + ":" + port;
}

Result<Listener> open_listener(const sockaddr* address, socklen_t size, bool v6_only) {
  Fd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_failure("cannot make a socket");
  const int yes = 1;  // connections that are closing do not keep a port
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (address->sa_family == AF_INET6) {
    const int only = v6_only ? 1 : 0;
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (bind(socket.get(), address, size) != 0 || listen(socket.get(), SOMAXCONN) != 0) {
    return system_failure("cannot listen");
  }
  std::string name = name_of(socket.get());
  return Listener{std::move(socket), std::move(name)};
}

bool lacks_family(const Error& error) {
  return error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL;
}

// All addresses of the machine. Without IPv6 in the kernel, or with it switched off, those of IPv4.
Result<Listener> open_wildcard(const std::string& port, bool v6_only) {
  const auto number = htons(static_cast<std::uint16_t>(std::stoi(port)));
  sockaddr_in6 both{};
  both.sin6_family = AF_INET6;
  both.sin6_port = number;
  auto listener = open_listener(reinterpret_cast<const sockaddr*>(&both), sizeof both, v6_only);
  if (listener || v6_only) return listener;
  if (!lacks_family(listener.error())) return listener;
  sockaddr_in only{};
  only.sin_family = AF_INET;
  only.sin_port = number;
  return open_listener(reinterpret_cast<const sockaddr*>(&only), sizeof only, false);
}

Status open_resolved(const ListenAddress& address, std::vector<Listener>& listeners) {
  AddressList list{nullptr, &freeaddrinfo};
  const int status = look_up(address, 0, list);
  if (status != 0) {
    return failure("cannot resolve '" + address.host + "': " + gai_strerror(status));
  }
  Error last{0, "it has no address"};
  bool any = false;
  for (const addrinfo* item = list.get(); item != nullptr; item = item->ai_next) {
    auto listener = open_listener(item->ai_addr, item->ai_addrlen, true);
    if (listener) {
      listeners.push_back(std::move(*listener));
      any = true;
      continue;
    }
    // A name may have addresses that this machine has not, such as ::1 without IPv6. A port that is taken is an error.
    last = listener.error();
    if (!lacks_family(last)) return failure_from(last);
    log_debug("one address of a name is not served", {{"name", address.host}, {"error", last.text}});
  }
  return any ? Status() : Status(failure_from(last));
}

bool is_wildcard(const ListenAddress& address) {
  return address.host.empty() || address.host == "::";
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [&] {
    return failure("'" + std::string(text) +
                   "' is not a listen address: give IP:PORT, [IPv6]:PORT, NAME:PORT or :PORT, as in 127.0.0.1:9717");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  ListenAddress address{std::string(host), std::string(text.substr(colon + 1))};
  if (!is_port(address.port)) return wrong();
  if (host.empty()) return address;
  if (bracketed ? !is_numeric(address) : !is_name(host)) return wrong();
  return address;
}

Result<std::vector<Listener>> listen_on(const std::vector<std::string>& addresses) {
  std::vector<Listener> listeners;
  std::vector<ListenAddress> parsed;
  for (const std::string& text : addresses) {
    auto address = parse_listen_address(text);
    if (!address) return failure_from(std::move(address.error()));
    parsed.push_back(std::move(*address));
  }
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    const auto serves_v4 = [&](const ListenAddress& other) {
      return other.host == "0.0.0.0" && other.port == parsed[i].port && other.port != "0";
    };
    Status opened;
    if (is_wildcard(parsed[i])) {
      // Beside 0.0.0.0 it is for IPv6 alone: the two together are how one had to ask for both.
      const bool v6_only = std::ranges::any_of(parsed, serves_v4);
      auto listener = open_wildcard(parsed[i].port, v6_only);
      if (listener) {
        listeners.push_back(std::move(*listener));
      } else if (!v6_only || !lacks_family(listener.error())) {
        opened = failure_from(std::move(listener.error()));
      }
    } else {
      opened = open_resolved(parsed[i], listeners);
    }
    if (!opened) {
      return failure("cannot serve on " + addresses[i] + ": " + opened.error().text + "; " +
                     advice(opened.error().code));
    }
  }
  return listeners;
}

Result<std::vector<Listener>> listeners_of_systemd() {
  const int count = sd_listen_fds(1);
  if (count < 0) return system_failure("--web.systemd-socket: cannot take the sockets of systemd", -count);
  if (count == 0) {
    return failure(
        "--web.systemd-socket: systemd has passed no socket; start a .socket unit (katameter-host-probe.socket), or "
        "leave the option out");
  }
  std::vector<Listener> listeners;
  for (int number = SD_LISTEN_FDS_START; number < SD_LISTEN_FDS_START + count; ++number) {
    Fd socket(number);
    if (sd_is_socket(number, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      return failure("--web.systemd-socket: descriptor " + std::to_string(number) +
                     " is not a listening stream socket: use ListenStream= and Accept=no in the .socket unit");
    }
    const int flags = fcntl(number, F_GETFL);
    if (flags < 0 || fcntl(number, F_SETFL, flags | O_NONBLOCK) != 0) {
      return system_failure("--web.systemd-socket: cannot make a socket non-blocking");
    }
    std::string name = name_of(number);
    listeners.push_back({std::move(socket), std::move(name)});
  }
  return listeners;
}

int sockets_of_systemd() {
  return std::max(0, sd_listen_fds(0));
}

}  // namespace katameter::host::http
