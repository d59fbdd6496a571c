#include "guest-probe/server/peer.h"

#include <linux/vm_sockets.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "guest-probe/server/listen_address.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

sockaddr_storage vsock(unsigned cid) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = 1023;
  sockaddr_storage storage{};
  std::memcpy(&storage, &address, sizeof(address));
  return storage;
}

}  // namespace

TEST_CASE("Of all that can connect over vsock the host alone is served") {
  REQUIRE(kind_of_peer(vsock(VMADDR_CID_HOST)));
  CHECK(*kind_of_peer(vsock(VMADDR_CID_HOST)) == PeerKind::host);
  // The loopback, the guest's own CID, a guest inside this one.
  for (const unsigned cid : std::vector<unsigned>{VMADDR_CID_HYPERVISOR, VMADDR_CID_LOCAL, 3, 4242, VMADDR_CID_ANY}) {
    const auto kind = kind_of_peer(vsock(cid));
    REQUIRE_FALSE(kind);
    CHECK(kind.error().text.find(std::to_string(cid)) != std::string::npos);
  }
  sockaddr_storage other{};
  other.ss_family = AF_INET;
  CHECK_FALSE(kind_of_peer(other));
}

TEST_CASE("Who connects to the Unix socket is local") {
  const katameter::testing::TemporaryDirectory dir;
  const auto address = ListenAddress::parse("unix:" + (dir.path() / "probe.sock").string());
  REQUIRE(address);
  const auto listening = listen_on(*address);
  REQUIRE(listening);
  CHECK_FALSE(accept_peer(*listening));
  const auto mine = connect_to(address->path, 1);
  REQUIRE(mine);
  const auto peer = accept_peer(*listening);
  REQUIRE(peer);
  CHECK(peer->kind == PeerKind::local);
  CHECK(peer->socket);
}
