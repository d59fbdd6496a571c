#pragma once

#include <string>
#include <string_view>

#include "userspace/result.h"

namespace katameter {

/// `IP:PORT` or `[IPv6]:PORT`, taken apart.
struct ListenAddress {
  std::string host;
  std::string port;
};

/// Host names are not resolved: where a daemon listens should not depend on a resolver.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// Tries to listen there and stops again at once: the HTTP server itself cannot say why it could not.
Status try_listen(const ListenAddress& address);

/// Connects there, says nothing and goes. Whether somebody opened does not matter.
void knock(const ListenAddress& address);

}  // namespace katameter
