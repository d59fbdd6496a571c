#include "guest-probe/server/peer.h"

#include <fmt/core.h>
#include <linux/vm_sockets.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace katameter::guest {

Result<PeerKind> kind_of_peer(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) return PeerKind::local;
  if (address.ss_family != AF_VSOCK) return failure(fmt::format("a peer of address family {}", address.ss_family));
  sockaddr_vm vsock{};
  std::memcpy(&vsock, &address, sizeof(vsock));
  if (vsock.svm_cid == VMADDR_CID_HOST) return PeerKind::host;
  return failure(fmt::format("a peer with vsock CID {}, which is not the host", vsock.svm_cid));
}

Result<Peer> accept_peer(const Fd& listening) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  Fd socket(accept4(listening.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket) return system_failure("cannot take a connection");
  const Result<PeerKind> kind = kind_of_peer(address);
  if (!kind) return tl::make_unexpected(Error{EPERM, kind.error().text});
  return Peer{std::move(socket), *kind};
}

}  // namespace katameter::guest
