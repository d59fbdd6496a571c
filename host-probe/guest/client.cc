#include "host-probe/guest/client.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/wire/codec.h"

namespace katameter::host {
namespace {

// Per event, so that a guest that never stops sending delays no other.
constexpr std::size_t read_bytes = 16 * 1024;
// The host sends a few bytes per answer; a guest with so much unread data is stalled.
constexpr std::size_t max_unsent = 64 * 1024;

// A VMM that starts, ends or is busy is not worth a line in the log; a host-probe without permission is.
DropReason reason_of(const Error& error) {
  for (const int normal : {ENOENT, ENOTDIR, ECONNREFUSED, EAGAIN, EPIPE, ECONNRESET, ENODEV, ETIMEDOUT, ESRCH}) {
    if (error.code == normal) return DropReason::absent;
  }
  return DropReason::unreachable;
}

// CPU time, not time of day: a guest must not pay for other programs that keep the CPU busy.
double thread_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

GuestClient::GuestClient(EventLoop& loop, TimerQueue& timers, GuestAddress address, GuestListener& listener,
                         const GuestTiming& timing, Connect connect)
    : loop_(loop),
      timers_(timers),
      address_(std::move(address)),
      listener_(listener),
      timing_(timing),
      connect_(std::move(connect)),
      absence_backoff_(timing.absence_backoff_min, timing.absence_backoff_max),
      violation_backoff_(timing.violation_backoff_min, timing.violation_backoff_max),
      refusal_backoff_(timing.refusal_backoff_min, timing.refusal_backoff_max),
      limits_(timing.limits) {}

GuestClient::~GuestClient() {
  if (connection_) loop_.unwatch(connection_->socket);
}

void GuestClient::start() {
  sign_ = TimerQueue::Clock::now();
  attempt();
}

void GuestClient::look_again() {
  if (!said_no_) return;
  refusal_backoff_.reset();
  retry_ = timers_.after(timing_.absence_backoff_min, [this] { attempt(); });
}

void GuestClient::attempt() {
  Result<Fd> socket = connect_(address_);
  refused_ = !socket && socket.error().code == ECONNREFUSED;
  said_no_ = false;
  if (!socket) return disconnect({reason_of(socket.error()), socket.error().text});
  if (const Status opened = open(std::move(*socket)); !opened) {
    return disconnect({reason_of(opened.error()), opened.error().text});
  }
  timeout_ = timers_.after(timing_.connect_timeout, [this] {
    disconnect({DropReason::silent, fmt::format("no Hello within {} ms", timing_.connect_timeout.count())});
  });
}

Status GuestClient::open(Fd socket) {
  const bool direct = address_.reach == Reach::cid;
  if (!direct) {
    const std::string request = Handshake::request(address_.port);
    const ssize_t sent = ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (sent < 0) return system_failure("cannot ask for the guest's port");
    if (static_cast<std::size_t>(sent) != request.size()) {
      return failure("cannot ask for the guest's port in one write");
    }
  }
  Status watched =
      loop_.watch(socket, direct ? EPOLLIN | EPOLLOUT : EPOLLIN, [this](std::uint32_t events) { ready(events); });
  if (!watched) return watched;
  // Not by emplace(): clang 14 does not take a nested class with member initializers as default-constructible.
  Connection& connection = *(connection_ = Connection{});
  connection.socket = std::move(socket);
  if (direct) {
    connection.handshake = Handshake::not_needed();
    connection.connecting = connection.waits_to_send = true;
  }
  return {};
}

bool GuestClient::collect() {
  if (!connected()) return false;
  if (connection_->asked) return true;
  connection_->asked = TimerQueue::Clock::now();
  send(wire::Collect{++request_});
  timeout_ = timers_.after(timing_.answer_timeout, [this] {
    disconnect({DropReason::silent, fmt::format("no snapshot within {} ms", timing_.answer_timeout.count())});
  });
  return true;
}

void GuestClient::ready(std::uint32_t events) {
  std::optional<Drop> drop;
  if (connection_->connecting) {
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) == 0) return;
    drop = finish_connect();
  }
  if (!drop && (events & EPOLLOUT) != 0) flush();
  if (!drop && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) drop = receive();
  if (!drop && connection_->unsent.size() > max_unsent) {
    drop = Drop{DropReason::stalled, "it does not read what it is sent"};
  }
  if (drop) disconnect(*drop);
}

std::optional<Drop> GuestClient::finish_connect() {
  connection_->connecting = false;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(connection_->socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  said_no_ = error == ECONNRESET;  // by the guest's kernel; others are the host's
  if (error != 0) return Drop{DropReason::absent, "nothing listens in the guest"};
  send_hello();
  return std::nullopt;
}

std::optional<Drop> GuestClient::receive() {
  std::array<char, read_bytes> buffer;
  const ssize_t got = recv(connection_->socket.get(), buffer.data(), buffer.size(), 0);
  if (got == 0 || (got < 0 && errno == ECONNRESET)) {
    said_no_ = connection_->handshake.untouched();
    return end_of_stream();
  }
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::nullopt;
    return Drop{DropReason::closed, "the connection broke"};
  }
  const auto now = TimerQueue::Clock::now();
  if (!limits_.cpu_seconds.take(std::exchange(cpu_seconds_due_, 0), now)) {
    return Drop{DropReason::costly, "its messages take more CPU time than a guest-probe's"};
  }
  const auto bytes = static_cast<std::size_t>(got);
  if (!limits_.bytes.take(static_cast<double>(bytes), now)) {
    return Drop{DropReason::flood, "it sends more than a guest-probe does"};
  }
  const double began = thread_cpu_seconds();
  std::optional<Drop> drop = take({buffer.data(), bytes});
  // One for all messages of a read, however many events they hold.
  if (!drop && std::exchange(connection_->acknowledge_due, false)) send(connection_->received);
  cpu_seconds_due_ = thread_cpu_seconds() - began;
  return drop;
}

std::optional<Drop> GuestClient::take(std::string_view bytes) {
  Handshake& handshake = connection_->handshake;
  if (handshake.state() == Handshake::State::waiting) {
    bytes.remove_prefix(handshake.take(bytes));
    if (handshake.state() == Handshake::State::waiting) return std::nullopt;
    if (handshake.state() == Handshake::State::refused) {
      return Drop{DropReason::handshake, "the answer to CONNECT is not 'OK <number>'"};
    }
    send_hello();
  }
  connection_->frames.append(bytes);
  while (true) {
    auto payload = connection_->frames.next();
    if (!payload) return Drop{DropReason::malformed, payload.error().text};
    if (!*payload) return std::nullopt;
    const auto message = wire::decode_guest_message(**payload);
    if (!message) return Drop{DropReason::malformed, message.error().text};
    if (std::optional<Drop> drop = take_message(*message)) return drop;
  }
}

std::optional<Drop> GuestClient::take_message(const wire::GuestMessage& message) {
  if (!connection_->has_hello && !std::holds_alternative<wire::Hello>(message)) {
    return Drop{DropReason::unexpected, "its first message is not a Hello"};
  }
  return std::visit([this](const auto& body) { return take(body); }, message);
}

std::optional<Drop> GuestClient::take(const wire::Hello& hello) {
  if (hello.protocol != wire::protocol_version) {
    return Drop{DropReason::protocol_version,
                fmt::format("it speaks protocol {}, this host-probe speaks {}: use guest-probe and host-probe of the "
                            "same release",
                            hello.protocol, wire::protocol_version)};
  }
  if (std::exchange(connection_->has_hello, true)) return Drop{DropReason::unexpected, "a second Hello"};
  timeout_.cancel();
  OwnMetrics::of_process().count_guest_connect(true);
  listener_.guest_connected(hello);
  return std::nullopt;
}

std::optional<Drop> GuestClient::take(const wire::Snapshot& snapshot) {
  if (!connection_->asked || snapshot.request != request_) {
    return Drop{DropReason::unexpected, "a snapshot that was not asked for"};
  }
  const GuestListener::Time asked = *std::exchange(connection_->asked, std::nullopt);
  timeout_.cancel();
  // One that is rejected is not acknowledged; the connection stays, the next one may be right.
  if (!listener_.guest_snapshot(snapshot, asked)) return std::nullopt;
  absence_backoff_.reset();
  violation_backoff_.reset();
  connection_->received.snapshot_sequence = snapshot.sequence;
  connection_->acknowledge_due = true;
  return std::nullopt;
}

std::optional<Drop> GuestClient::take(const wire::OomEvent& event) {
  if (!limits_.events.take(1, TimerQueue::Clock::now())) {
    return Drop{DropReason::flood, "it sends more OOM events than a kernel can make"};
  }
  listener_.guest_oom_event(event);
  std::uint64_t& highest = connection_->received.event_sequence;
  highest = std::max(highest, event.sequence);
  connection_->acknowledge_due = true;
  return std::nullopt;
}

// The connection stays, and the next collect() asks again.
std::optional<Drop> GuestClient::take(const wire::Refusal& refusal) {
  if (!limits_.events.take(1, TimerQueue::Clock::now())) {
    return Drop{DropReason::flood, "it refuses more than it is asked"};
  }
  const bool answer = connection_->asked && refusal.request == request_;
  if (answer) {
    connection_->asked.reset();
    timeout_.cancel();
  }
  listener_.guest_refused({DropReason::refused, refusal.reason}, answer);
  return std::nullopt;
}

// From a newer guest-probe: skip what is not known.
std::optional<Drop> GuestClient::take(const wire::Unknown&) {
  if (limits_.events.take(1, TimerQueue::Clock::now())) return std::nullopt;
  return Drop{DropReason::flood, "it sends more messages of a newer version than a guest-probe does"};
}

Drop GuestClient::end_of_stream() const {
  const Handshake& handshake = connection_->handshake;
  if (handshake.untouched()) return {DropReason::absent, "nothing listens in the guest"};
  if (handshake.state() == Handshake::State::waiting) {
    return {DropReason::handshake, "the VMM closed in the middle of its answer to CONNECT"};
  }
  if (connection_->frames.pending() > 0) return {DropReason::truncated, "it closed in mid-frame"};
  return {DropReason::closed, "it closed the connection"};
}

void GuestClient::send(const wire::HostMessage& message) {
  connection_->unsent += wire::frame(wire::encode(message));
  flush();
}

void GuestClient::send_hello() {
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  send(hello);
}

void GuestClient::flush() {
  std::string& unsent = connection_->unsent;
  while (!unsent.empty()) {
    const ssize_t sent = ::send(connection_->socket.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
    if (sent < 0) break;  // full: EPOLLOUT will come; broken: so will EPOLLHUP
    unsent.erase(0, static_cast<std::size_t>(sent));
  }
  if (connection_->waits_to_send == unsent.empty()) {
    connection_->waits_to_send = !unsent.empty();
    // Fails only for a descriptor that is not watched, and this one is.
    static_cast<void>(loop_.rewatch(connection_->socket, connection_->waits_to_send ? EPOLLIN | EPOLLOUT : EPOLLIN));
  }
}

void GuestClient::disconnect(const Drop& drop) {
  if (connected()) {
    sign_ = TimerQueue::Clock::now();
    refusal_backoff_.reset();
  } else {
    OwnMetrics::of_process().count_guest_connect(false);
  }
  if (connection_) loop_.unwatch(connection_->socket);
  connection_.reset();
  timeout_.cancel();
  retry_ = timers_.after(wait_after(drop.reason), [this] { attempt(); });
  listener_.guest_disconnected(drop);
}

GuestTiming::Duration GuestClient::wait_after(DropReason reason) {
  if (reason == DropReason::protocol_version) return timing_.other_version;
  if (said_no_ && !searching()) return refusal_backoff_.next();
  // A silent guest usually boots or is paused; it does not violate the protocol.
  const bool harmless = !is_fault(reason) || reason == DropReason::silent || reason == DropReason::unreachable;
  return harmless ? absence_backoff_.next() : violation_backoff_.next();
}

}  // namespace katameter::host
