#include "host-probe/transport/guest_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "userspace/wire/codec.h"

namespace katameter {
namespace {

// Per turn of the event loop, so that a guest that never stops sending holds up nobody else.
constexpr std::size_t read_bytes = 16 * 1024;
// The host sends a few bytes per answer; a guest that leaves so much of it lying does not read.
constexpr std::size_t longest_unsent = 64 * 1024;

}  // namespace

Result<std::unique_ptr<GuestConnection>> GuestConnection::open(EventLoop& loop, Fd socket, std::uint32_t port,
                                                               Handlers handlers) {
  const std::string request = Handshake::request(port);
  const ssize_t sent = ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent < 0) return system_failure("cannot ask for the guest's port");
  if (static_cast<std::size_t>(sent) != request.size()) return failure("cannot ask for the guest's port in one write");
  std::unique_ptr<GuestConnection> connection(new GuestConnection(loop, std::move(socket), std::move(handlers)));
  Status watched = loop.watch(connection->socket_, EPOLLIN,
                              [self = connection.get()](std::uint32_t events) { self->ready(events); });
  if (!watched) return failure_from(std::move(watched.error()));
  return connection;
}

Result<std::unique_ptr<GuestConnection>> GuestConnection::open_direct(EventLoop& loop, Fd socket, Handlers handlers) {
  std::unique_ptr<GuestConnection> connection(new GuestConnection(loop, std::move(socket), std::move(handlers)));
  connection->handshake_ = Handshake::not_needed();
  connection->connecting_ = connection->waits_to_send_ = true;
  Status watched = loop.watch(connection->socket_, EPOLLIN | EPOLLOUT,
                              [self = connection.get()](std::uint32_t events) { self->ready(events); });
  if (!watched) return failure_from(std::move(watched.error()));
  return connection;
}

std::optional<Drop> GuestConnection::connected() {
  connecting_ = false;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return Drop{DropReason::absent, "nobody listens in the guest"};
  handlers_.opened();
  flush();
  return std::nullopt;
}

GuestConnection::~GuestConnection() {
  loop_.unwatch(socket_);
}

void GuestConnection::send(const wire::HostMessage& message) {
  unsent_ += wire::frame(wire::encode(message));
  flush();
}

void GuestConnection::flush() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0) break;  // full: EPOLLOUT will come; broken: so will EPOLLHUP
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
  if (waits_to_send_ == unsent_.empty()) {
    waits_to_send_ = !unsent_.empty();
    // Fails only for a descriptor that is not watched, and this one is.
    static_cast<void>(loop_.rewatch(socket_, waits_to_send_ ? EPOLLIN | EPOLLOUT : EPOLLIN));
  }
}

void GuestConnection::ready(std::uint32_t events) {
  std::optional<Drop> drop;
  if (connecting_) {
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) == 0) return;
    drop = connected();
  }
  if (!drop && (events & EPOLLOUT) != 0) flush();
  if (!drop && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) drop = receive();
  if (!drop && unsent_.size() > longest_unsent) {
    drop = Drop{DropReason::stalled, "it does not read what it is sent"};
  }
  if (!drop) return;
  loop_.unwatch(socket_);
  // Moved out first: the handler may destroy this object, and its own captures with it.
  const auto closed = std::move(handlers_.closed);
  closed(*drop);
}

std::optional<Drop> GuestConnection::receive() {
  std::array<char, read_bytes> buffer;
  const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got == 0 || (got < 0 && errno == ECONNRESET)) return end_of_stream();
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::nullopt;
    return Drop{DropReason::closed, "the connection broke"};
  }
  const auto bytes = static_cast<std::size_t>(got);
  std::optional<Drop> drop = handlers_.received(bytes);
  if (!drop) drop = take({buffer.data(), bytes});
  if (!drop) handlers_.drained();
  return drop;
}

std::optional<Drop> GuestConnection::take(std::string_view bytes) {
  if (handshake_.state() == Handshake::State::waiting) {
    bytes.remove_prefix(handshake_.take(bytes));
    if (handshake_.state() == Handshake::State::waiting) return std::nullopt;
    if (handshake_.state() == Handshake::State::refused) {
      return Drop{DropReason::handshake, "the answer to CONNECT is not 'OK <number>'"};
    }
    handlers_.opened();
  }
  frames_.append(bytes);
  while (true) {
    auto payload = frames_.next();
    if (!payload) return Drop{DropReason::malformed, payload.error().text};
    if (!*payload) return std::nullopt;
    const auto message = wire::decode_guest_message(**payload);
    if (!message) return Drop{DropReason::malformed, message.error().text};
    if (std::optional<Drop> drop = handlers_.message(*message)) return drop;
  }
}

Drop GuestConnection::end_of_stream() const {
  if (handshake_.untouched()) return {DropReason::absent, "nobody listens in the guest"};
  if (handshake_.state() == Handshake::State::waiting) {
    return {DropReason::handshake, "it closed in the middle of its answer to CONNECT"};
  }
  if (frames_.pending() > 0) return {DropReason::truncated, "it closed in mid-frame"};
  return {DropReason::closed, "it closed the connection"};
}

}  // namespace katameter
