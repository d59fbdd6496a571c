#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

enum class PeerKind {
  host,   ///< over vsock
  local,  ///< over the Unix socket, which is root's: `guest-probe dump`, or whoever looks into this guest
};

/// What an accepted connection's other end is, by its address. An error for one that may not speak to guest-probe: on
/// vsock the host alone may (VMADDR_CID_HOST), since every container of a guest with a loopback transport can connect.
Result<PeerKind> kind_of_peer(const sockaddr_storage& address);

struct Peer {
  Fd socket;
  PeerKind kind = PeerKind::local;
};

/// Takes one connection from a listening socket of either kind; those that are not served are closed. Errors: as of
/// kind_of_peer(), with code EPERM; else those of accept4(2).
Result<Peer> accept_peer(const Fd& listening);

}  // namespace katameter::guest
