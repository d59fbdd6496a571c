#include "host-probe/transport/guest_peer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "host-probe/transport/unix_socket.h"

namespace katameter {
namespace {

// A VMM that starts or ends, or that is busy, is nothing to tell of; a host-probe without permission is.
DropReason reason_of(const Error& error) {
  for (const int normal : {ENOENT, ENOTDIR, ECONNREFUSED, EAGAIN, EPIPE, ECONNRESET, ENODEV, ETIMEDOUT, ESRCH}) {
    if (error.code == normal) return DropReason::absent;
  }
  return DropReason::unreachable;
}

// Not the time of day: a guest is not to pay for other programs that keep the CPU busy.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

GuestPeer::GuestPeer(EventLoop& loop, TimerQueue& timers, GuestAddress address, GuestObserver& observer,
                     const GuestTiming& timing)
    : loop_(loop),
      timers_(timers),
      address_(std::move(address)),
      observer_(observer),
      timing_(timing),
      absence_(timing.absent_first, timing.absent_longest),
      distrust_(timing.distrust_first, timing.distrust_longest),
      budget_(timing.budget) {}

void GuestPeer::start() {
  attempt();
}

void GuestPeer::attempt() {
  Result<Fd> socket = address_.reach == Reach::hybrid
                          ? connect_unix(address_.directory, address_.socket)
                          : connect_by_cid(address_.directory, address_.find_vmm, address_.port);
  if (!socket) return ended({reason_of(socket.error()), socket.error().text});
  GuestConnection::Handlers handlers;
  handlers.opened = [this] { opened(); };
  handlers.received = [this](std::size_t bytes) { return received(bytes); };
  handlers.message = [this](const wire::GuestMessage& content) { return message(content); };
  handlers.drained = [this] { drained(); };
  handlers.closed = [this](const Drop& drop) { ended(drop); };
  auto connection = address_.reach == Reach::hybrid
                        ? GuestConnection::open(loop_, std::move(*socket), address_.port, std::move(handlers))
                        : GuestConnection::open_direct(loop_, std::move(*socket), std::move(handlers));
  if (!connection) return ended({reason_of(connection.error()), connection.error().text});
  connection_ = std::move(*connection);
  deadline_ = timers_.after(timing_.connect_deadline, [this] {
    ended({DropReason::silent, fmt::format("no Hello within {} ms", timing_.connect_deadline.count())});
  });
}

void GuestPeer::opened() {
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  connection_->send(hello);
}

bool GuestPeer::collect() {
  if (!ready_) return false;
  if (std::exchange(asked_, true)) return true;
  connection_->send(wire::Collect{++request_});
  deadline_ = timers_.after(timing_.answer_deadline, [this] {
    ended({DropReason::silent, fmt::format("no snapshot within {} ms", timing_.answer_deadline.count())});
  });
  return true;
}

std::optional<Drop> GuestPeer::received(std::size_t bytes) {
  const auto now = TimerQueue::Clock::now();
  if (!budget_.work.take(std::exchange(work_unpaid_, 0), now)) {
    return Drop{DropReason::costly, "what it sends takes more time than a guest-probe's messages do"};
  }
  if (!budget_.bytes.take(static_cast<double>(bytes), now)) {
    return Drop{DropReason::flood, "it sends more than a guest-probe does"};
  }
  work_began_ = thread_seconds();
  return std::nullopt;
}

void GuestPeer::drained() {
  acknowledge();
  work_unpaid_ = thread_seconds() - work_began_;
}

std::optional<Drop> GuestPeer::message(const wire::GuestMessage& message) {
  if (!ready_ && !std::holds_alternative<wire::Hello>(message)) {
    return Drop{DropReason::unexpected, "its first message is no Hello"};
  }
  return std::visit([this](const auto& body) { return take(body); }, message);
}

std::optional<Drop> GuestPeer::take(const wire::Hello& hello) {
  if (hello.protocol != wire::protocol_version) {
    return Drop{DropReason::protocol_version,
                fmt::format("it speaks protocol {}, this host-probe speaks {}: use guest-probe and host-probe of the "
                            "same release",
                            hello.protocol, wire::protocol_version)};
  }
  if (std::exchange(ready_, true)) return Drop{DropReason::unexpected, "a second Hello"};
  deadline_.cancel();
  observer_.guest_connected(hello);
  return std::nullopt;
}

std::optional<Drop> GuestPeer::take(const wire::Snapshot& snapshot) {
  if (!asked_ || snapshot.request != request_) return Drop{DropReason::unexpected, "a snapshot that nobody asked for"};
  asked_ = false;
  deadline_.cancel();
  // Not believed, it is not acknowledged either; the connection stays, the next one may be right.
  if (observer_.guest_snapshot(snapshot)) return std::nullopt;
  absence_.reset();
  distrust_.reset();
  seen_.snapshot_sequence = snapshot.sequence;
  acknowledge_due_ = true;
  return std::nullopt;
}

std::optional<Drop> GuestPeer::take(const wire::OomEvent& event) {
  if (!budget_.events.take(1, TimerQueue::Clock::now())) {
    return Drop{DropReason::flood, "it sends more OOM events than a kernel can make"};
  }
  observer_.guest_oom_event(event);
  seen_.event_sequence = std::max(seen_.event_sequence, event.sequence);
  acknowledge_due_ = true;
  return std::nullopt;
}

// The connection stays, and the next collect() asks again.
std::optional<Drop> GuestPeer::take(const wire::Refusal& refusal) {
  if (!budget_.events.take(1, TimerQueue::Clock::now())) {
    return Drop{DropReason::flood, "it refuses more than it is asked"};
  }
  const bool answer = asked_ && refusal.request == request_;
  if (answer) {
    asked_ = false;
    deadline_.cancel();
  }
  observer_.guest_refused({DropReason::refused, refusal.reason}, answer);
  return std::nullopt;
}

// Of a newer guest-probe: what is not known is skipped.
std::optional<Drop> GuestPeer::take(const wire::Unknown&) {
  if (budget_.events.take(1, TimerQueue::Clock::now())) return std::nullopt;
  return Drop{DropReason::flood, "it sends more messages of a newer version than a guest-probe does"};
}

// One for all messages of a read, however many events they hold.
void GuestPeer::acknowledge() {
  if (std::exchange(acknowledge_due_, false)) connection_->send(seen_);
}

void GuestPeer::ended(const Drop& drop) {
  connection_.reset();
  deadline_.cancel();
  ready_ = asked_ = acknowledge_due_ = false;
  seen_ = {};
  retry_ = timers_.after(wait_after(drop.reason), [this] { attempt(); });
  observer_.guest_dropped(drop);
}

GuestTiming::Duration GuestPeer::wait_after(DropReason reason) {
  if (reason == DropReason::protocol_version) return timing_.other_version;
  // A silent guest is usually one that boots or is paused, not one that means harm.
  const bool harmless = !is_fault(reason) || reason == DropReason::silent || reason == DropReason::unreachable;
  return harmless ? absence_.next() : distrust_.next();
}

}  // namespace katameter
