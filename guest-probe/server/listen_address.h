#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

/// Where guest-probe can be reached: "vsock:PORT" (from the host) or "unix:PATH" (from within the guest).
struct ListenAddress {
  std::string text;        ///< as it was given
  std::uint32_t port = 0;  ///< vsock; 0 for a Unix socket
  std::string path;        ///< Unix socket; empty for vsock

  static Result<ListenAddress> parse(std::string_view text);
};

/// A listening, non-blocking socket. A Unix socket that nobody listens on any more is replaced, and made for the owner
/// only. The error text says what to do.
Result<Fd> listen_on(const ListenAddress& address);

/// A connected socket to a Unix socket's path whose reads and writes give up after `timeout_s`.
Result<Fd> connect_to(const std::string& path, int timeout_s);

}  // namespace katameter::guest
