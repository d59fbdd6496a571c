#include "bench/guest/host_side.h"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "guest-probe/server/listen_address.h"
#include "userspace/wire/codec.h"

namespace katameter::guest::bench {
namespace {

constexpr int answer_timeout_s = 60;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "asking guest-probe: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T value_of(Result<T> result) {
  if (!result) fail(result.error().text);
  return *std::move(result);
}

}  // namespace

HostSide::HostSide(const std::string& socket) : socket_(value_of(connect_to(socket, answer_timeout_s))) {
  send(wire::Hello{});
}

void HostSide::send(const wire::HostMessage& message) {
  const std::string bytes = wire::frame(wire::encode(message));
  if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    fail("it does not listen");
  }
}

wire::GuestMessage HostSide::receive() {
  while (true) {
    const std::optional<std::string> payload = value_of(reader_.next());
    if (payload) {
      wire::GuestMessage message = value_of(wire::decode_guest_message(*payload));
      if (std::holds_alternative<wire::Snapshot>(message)) snapshot_bytes_ = wire::frame(*payload).size();
      return message;
    }
    std::array<char, 65536> bytes{};
    const ssize_t size = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (size <= 0) fail("it does not answer");
    reader_.append({bytes.data(), static_cast<std::size_t>(size)});
  }
}

wire::Snapshot HostSide::collect() {
  send(wire::Collect{++requests_});
  while (true) {
    wire::GuestMessage message = receive();
    if (const auto* event = std::get_if<wire::OomEvent>(&message)) event_ = event->sequence;
    if (std::holds_alternative<wire::Refusal>(message)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // asked too often
      send(wire::Collect{requests_});
    }
    if (auto* snapshot = std::get_if<wire::Snapshot>(&message)) {
      snapshot_ = snapshot->sequence;
      return std::move(*snapshot);
    }
  }
}

wire::OomEvent HostSide::wait_for_event() {
  while (true) {
    wire::GuestMessage message = receive();
    if (auto* event = std::get_if<wire::OomEvent>(&message)) {
      event_ = event->sequence;
      return std::move(*event);
    }
  }
}

void HostSide::acknowledge() {
  send(wire::Acknowledge{event_, snapshot_});
}

}  // namespace katameter::guest::bench
