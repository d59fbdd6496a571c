#include "guest-probe/server/client.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "guest-probe/server/listen_address.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

namespace katameter::guest {
namespace {

Status send_message(const Fd& peer, const wire::HostMessage& message) {
  const std::string bytes = wire::frame(wire::encode(message));
  if (send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    return system_failure("cannot ask the running guest-probe");
  }
  return {};
}

Result<wire::GuestMessage> receive_message(const Fd& peer, wire::FrameReader& reader, int timeout_s) {
  while (true) {
    const auto payload = reader.next();
    if (!payload) return failure_from(payload.error(), "the socket's other end is no guest-probe");
    if (*payload) return wire::decode_guest_message(**payload);
    std::array<char, 4096> bytes{};
    const ssize_t size = recv(peer.get(), bytes.data(), bytes.size(), 0);
    if (size == 0) return failure("the running guest-probe closed the connection: its log says why");
    if (size < 0 && errno == EAGAIN) {
      return failure(fmt::format("nothing was answered for {} s: is the socket's other end a guest-probe?", timeout_s));
    }
    if (size < 0) return system_failure("cannot read from the running guest-probe");
    reader.append({bytes.data(), static_cast<std::size_t>(size)});
  }
}

}  // namespace

Result<Dump> ask_daemon(const std::string& socket_path, int timeout_s) {
  const Result<Fd> peer = connect_to(socket_path, timeout_s);
  if (!peer) return failure_from(peer.error());
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  if (Status status = send_message(*peer, hello); !status) return failure_from(status.error());
  if (Status status = send_message(*peer, wire::Collect{1}); !status) return failure_from(status.error());

  Dump dump;
  wire::FrameReader reader;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(timeout_s);
  while (true) {
    Result<wire::GuestMessage> message = receive_message(*peer, reader, timeout_s);
    if (!message) return failure_from(message.error());
    if (auto* event = std::get_if<wire::OomEvent>(&*message)) dump.oom_events.push_back(std::move(*event));
    if (auto* greeting = std::get_if<wire::Hello>(&*message)) dump.hello = std::move(*greeting);
    if (const auto* refusal = std::get_if<wire::Refusal>(&*message)) {
      // Others ask too: their turn is over soon.
      if (refusal->request != 1 || Clock::now() > end) {
        return failure("the running guest-probe does not answer: " + refusal->reason);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (Status status = send_message(*peer, wire::Collect{1}); !status) return failure_from(status.error());
    }
    if (auto* snapshot = std::get_if<wire::Snapshot>(&*message)) {
      dump.snapshot = std::move(*snapshot);
      return dump;
    }
  }
}

}  // namespace katameter::guest
