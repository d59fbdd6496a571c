#include "guest-probe/server/session.h"

#include <fmt/core.h>
#include <linux/vm_sockets.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "userspace/log.h"

namespace katameter::guest {
namespace {

using Time = PeerState::Time;

bool is_host(const PeerState& peer) {
  return peer.kind == PeerKind::host && peer.has_hello;
}

bool acknowledges(const PeerState& peer) {
  return peer.has_hello && (peer.event_acknowledged != 0 || peer.snapshot_acknowledged != 0);
}

// The least that those have acknowledged who count; 0 if nobody does.
std::uint64_t least(const std::vector<const PeerState*>& peers, bool hosts, std::uint64_t PeerState::*acknowledged,
                    Time PeerState::*last, Time now) {
  std::optional<std::uint64_t> least;
  for (const PeerState* peer : peers) {
    const std::uint64_t sequence = peer->*acknowledged;
    const bool counts = hosts ? is_host(*peer) : acknowledges(*peer);
    if (!counts || now - peer->*last > max_idle) continue;
    least = std::min(least.value_or(sequence), sequence);
  }
  return least.value_or(0);
}

// 256 OOM events (OOM_SLOTS) take less than the half MiB.
constexpr std::size_t max_unsent = wire::max_frame_bytes + (std::size_t{512} << 10);

}  // namespace

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

void PeerState::snapshot_sent(std::uint64_t sequence) {
  snapshot_before_ = std::exchange(snapshot_sent_, sequence);
}

void PeerState::acknowledge(const wire::Acknowledge& acknowledge) {
  event_acknowledged = std::max(event_acknowledged, std::min(acknowledge.event_sequence, event_sent));
  for (const std::uint64_t sent : {snapshot_before_, snapshot_sent_}) {
    if (sent <= acknowledge.snapshot_sequence) snapshot_acknowledged = std::max(snapshot_acknowledged, sent);
  }
}

Acknowledged acknowledged_by(const std::vector<const PeerState*>& peers, std::optional<Time> host_heard, Time now) {
  const bool hosts = (host_heard && now - *host_heard <= max_idle) ||
                     std::any_of(peers.begin(), peers.end(), [](const auto* peer) { return is_host(*peer); });
  return {least(peers, hosts, &PeerState::event_acknowledged, &PeerState::heard, now),
          least(peers, hosts, &PeerState::snapshot_acknowledged, &PeerState::asked, now)};
}

bool is_gone(const PeerState& peer, const std::vector<const PeerState*>& peers, Time unread_since, Time now) {
  if (now - unread_since > max_unread) return true;
  if (now - peer.heard <= max_silence) return false;
  if (!is_host(peer)) return true;
  return std::any_of(peers.begin(), peers.end(),
                     [&](const auto* other) { return is_host(*other) && other->heard > peer.heard; });
}

Session::Session(EventLoop& loop, Peer accepted, Handler handler, Ended ended)
    : loop_(loop), socket_(std::move(accepted.socket)), handler_(std::move(handler)), ended_(std::move(ended)) {
  peer.kind = accepted.kind;
  peer.heard = written_ = std::chrono::steady_clock::now();
}

Status Session::start() {
  return loop_.watch(socket_, EPOLLIN, [this](std::uint32_t events) { on_ready(events); });
}

void Session::on_ready(std::uint32_t events) {
  Status status;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) status = read();
  if (status && (events & EPOLLOUT) != 0) status = write();
  if (!status) {
    log_warning("a peer was disconnected", {{"error", status.error().text}});
    // It is gone anyhow: whether it takes that is its own affair.
    static_cast<void>(send(wire::Refusal{0, status.error().text}));
  }
  if (!status || closed_by_peer_) {
    const Ended ended = ended_;  // the session, and with it ended_, is gone when this returns
    ended(*this);
  }
}

Status Session::read() {
  std::array<char, 4096> bytes{};
  const ssize_t size = recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return {};
    if (errno != ECONNRESET) return system_failure("cannot read from it");
  }
  if (size <= 0) {
    closed_by_peer_ = true;
    return {};
  }
  reader_.append({bytes.data(), static_cast<std::size_t>(size)});
  while (true) {
    const auto payload = reader_.next();
    if (!payload) return failure_from(payload.error());
    if (!*payload) return {};
    const Time now = std::chrono::steady_clock::now();
    if (!messages_.take(1, now)) return failure("it sends more messages than a host does: 100 a second are taken");
    const Result<wire::HostMessage> message = wire::decode_host_message(**payload);
    if (!message) return failure_from(message.error());
    peer.heard = now;
    if (Status status = handler_(*this, *message); !status) return status;
  }
}

Status Session::send(const wire::GuestMessage& message) {
  const std::string payload = wire::encode(message);
  if (payload.size() > wire::max_frame_bytes) return failure("a message is larger than a frame may be");
  if (unsent_.size() + payload.size() > max_unsent) return failure("it does not read what it is sent");
  if (unsent_.empty()) written_ = std::chrono::steady_clock::now();
  unsent_ += wire::frame(payload);
  return write();
}

Status Session::write() {
  while (!unsent_.empty()) {
    const ssize_t size = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return wait_to_send(true);
    if (size < 0) return system_failure("cannot write to it");
    unsent_.erase(0, static_cast<std::size_t>(size));
    written_ = std::chrono::steady_clock::now();
  }
  return wait_to_send(false);
}

Status Session::wait_to_send(bool wait) {
  if (wait == waits_to_send_) return {};
  waits_to_send_ = wait;
  return loop_.rewatch(socket_, wait ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace katameter::guest
