#include "tests/vm/host_peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "guest-probe/server/listen_address.h"
#include "userspace/wire/codec.h"

namespace katameter::guest {

HostPeer::HostPeer(const Daemon& daemon) {
  Result<Fd> socket = connect_to(daemon.socket(), 30);
  if (!socket) FAIL(socket.error().text);
  socket_ = *std::move(socket);
  send(wire::Hello{});
}

void HostPeer::send(const wire::HostMessage& message) {
  const std::string bytes = wire::frame(wire::encode(message));
  REQUIRE(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

wire::GuestMessage HostPeer::receive() {
  while (true) {
    const auto payload = reader_.next();
    if (!payload) FAIL(payload.error().text);
    if (*payload) {
      Result<wire::GuestMessage> message = wire::decode_guest_message(**payload);
      if (!message) FAIL(message.error().text);
      return *std::move(message);
    }
    std::array<char, 4096> bytes{};
    const ssize_t size = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (size <= 0) FAIL("guest-probe does not answer");
    reader_.append({bytes.data(), static_cast<std::size_t>(size)});
  }
}

wire::Snapshot HostPeer::collect() {
  send(wire::Collect{++requests_});
  while (true) {
    wire::GuestMessage message = receive();
    if (auto* event = std::get_if<wire::OomEvent>(&message)) events.push_back(std::move(*event));
    if (std::holds_alternative<wire::Refusal>(message)) {
      usleep(100'000);
      send(wire::Collect{requests_});
    }
    if (auto* snapshot = std::get_if<wire::Snapshot>(&message)) {
      sequence_ = snapshot->sequence;
      return std::move(*snapshot);
    }
  }
}

void HostPeer::acknowledge() {
  send(wire::Acknowledge{events.empty() ? 0 : events.back().sequence, sequence_});
}

void HostPeer::close() {
  REQUIRE(shutdown(socket_.get(), SHUT_WR) == 0);
  std::array<char, 4096> rest{};
  while (recv(socket_.get(), rest.data(), rest.size(), 0) > 0) {
  }
}

std::optional<wire::Container> find_container(const wire::Snapshot& snapshot, const std::string& id) {
  for (const wire::Container& container : snapshot.containers) {
    if (container.id.hex() == id) return container;
  }
  return std::nullopt;
}

}  // namespace katameter::guest
