#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host::http {

/// A listen address taken apart, in the forms that Go's servers take.
struct ListenAddress {
  std::string host;  ///< IPv4, IPv6 without brackets, or a name; empty: all addresses of the machine
  std::string port;  ///< 0: any free one
};

/// `IP:PORT`, `[IPv6]:PORT`, `NAME:PORT` or `:PORT`. A name is not resolved yet.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// A socket that listens, non-blocking.
struct Listener {
  Fd socket;
  std::string name;  ///< `IP:PORT`, `[IPv6]:PORT` or `unix:PATH`, the port being the real one
};

/// Listens on each of the addresses. `:PORT` and `[::]:PORT` serve IPv4 and IPv6, and IPv4 alone on a machine without
/// IPv6. A name is resolved, and served on each of its addresses that this machine has. The error says what to do.
Result<std::vector<Listener>> listen_on(const std::vector<std::string>& addresses);

/// The sockets that systemd has opened for this process (sd_listen_fds(3)); an error if there is none.
Result<std::vector<Listener>> listeners_of_systemd();

/// How many sockets systemd has passed.
int sockets_of_systemd();

}  // namespace katameter::host::http
