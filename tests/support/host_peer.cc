#include "tests/support/host_peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "guest-probe/server/listen_address.h"
#include "userspace/wire/codec.h"

namespace katameter::guest {
namespace {

constexpr int answer_timeout_s = 60;

template <typename T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return *std::move(result);
}

}  // namespace

HostPeer::HostPeer(const std::string& socket) : socket_(value_of(connect_to(socket, answer_timeout_s))) {
  send(wire::Hello{});
}

void HostPeer::send(const wire::HostMessage& message) {
  const std::string bytes = wire::frame(wire::encode(message));
  if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("guest-probe does not read");
  }
}

wire::GuestMessage HostPeer::receive() {
  while (true) {
    if (const std::optional<std::string> payload = value_of(reader_.next())) {
      wire::GuestMessage message = value_of(wire::decode_guest_message(*payload));
      if (std::holds_alternative<wire::Snapshot>(message)) snapshot_bytes_ = wire::frame(*payload).size();
      return message;
    }
    std::array<char, 65536> bytes{};
    const ssize_t size = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (size <= 0) throw std::runtime_error("guest-probe does not answer");
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

wire::OomEvent HostPeer::wait_for_event() {
  while (true) {
    const wire::GuestMessage message = receive();
    if (const auto* event = std::get_if<wire::OomEvent>(&message)) return events.emplace_back(*event);
  }
}

void HostPeer::acknowledge() {
  send(wire::Acknowledge{events.empty() ? 0 : events.back().sequence, sequence_});
}

void HostPeer::close() {
  if (shutdown(socket_.get(), SHUT_WR) != 0) throw std::runtime_error("guest-probe has closed the connection");
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
