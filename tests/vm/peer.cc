#include "tests/vm/peer.h"

#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>

#include "guest-probe/listen_address.h"
#include "userspace/wire/codec.h"

namespace katameter {

Peer::Peer(const Daemon& daemon) {
  Result<Fd> socket = connect_to(daemon.socket(), 30);
  REQUIRE(socket);
  socket_ = *std::move(socket);
  send(wire::Hello{});
  REQUIRE(std::holds_alternative<wire::Hello>(receive()));
}

wire::Snapshot Peer::collect(bool acknowledge) const {
  send(wire::Collect{1});
  std::uint64_t last_event = 0;
  while (true) {
    wire::GuestMessage message = receive();
    if (const auto* event = std::get_if<wire::OomEvent>(&message)) last_event = event->sequence;
    if (auto* snapshot = std::get_if<wire::Snapshot>(&message)) {
      if (acknowledge) send(wire::Acknowledge{last_event, snapshot->sequence});
      return std::move(*snapshot);
    }
  }
}

void Peer::send(const wire::HostMessage& message) const {
  const std::string bytes = wire::frame(wire::encode(message));
  REQUIRE(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

wire::GuestMessage Peer::receive() const {
  while (true) {
    const auto payload = reader_.next();
    REQUIRE(payload);
    if (*payload) {
      Result<wire::GuestMessage> message = wire::decode_guest_message(**payload);
      REQUIRE(message);
      return *std::move(message);
    }
    std::array<char, 4096> bytes{};
    const ssize_t size = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    REQUIRE(size > 0);
    reader_.append({bytes.data(), static_cast<std::size_t>(size)});
  }
}

}  // namespace katameter
