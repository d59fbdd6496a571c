#include "guest-probe/server/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "guest-probe/collect/oom_event.h"
#include "guest-probe/server/footprint.h"
#include "userspace/log.h"

namespace katameter {
namespace {

// The host needs one connection, a person another; a VMM has 1023 for all its guest's services.
constexpr std::size_t sessions_at_most = 16;

constexpr unsigned collects_of_start = 2;

}  // namespace

Server::Server(EventLoop& loop, Collector& collector, GuestPrograms& programs, std::function<wire::Hello()> hello)
    : loop_(loop), collector_(collector), programs_(programs), hello_(std::move(hello)) {}

Server::~Server() {
  for (const Fd& listening : listening_) loop_.unwatch(listening);
  if (programs_.oom_bell()) loop_.unwatch(programs_.oom_bell());
}

Status Server::serve(Fd listening) {
  const Fd& kept = listening_.emplace_back(std::move(listening));
  return loop_.watch(kept, EPOLLIN, [this, &kept](std::uint32_t) { accept_peer(kept); });
}

Status Server::watch_oom_events() {
  if (!programs_.oom_bell()) return {};
  on_oom_events();
  return loop_.watch(programs_.oom_bell(), EPOLLIN, [this](std::uint32_t) { on_oom_events(); });
}

void Server::accept_peer(const Fd& listening) {
  Fd peer(accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!peer) return;
  if (sessions_.size() == sessions_at_most) {
    // One that never said a word gives way; if all are in use, the new one does.
    const auto silent =
        std::find_if(sessions_.begin(), sessions_.end(), [](const Session& session) { return !session.greeted; });
    if (silent == sessions_.end()) {
      log_warning("a peer was refused: {} are connected already", sessions_at_most);
      return;
    }
    sessions_.erase(silent);
  }
  Session& session = sessions_.emplace_back(
      loop_, std::move(peer), [this](Session& from, const wire::HostMessage& message) { return handle(from, message); },
      [this](Session& ended) { end(ended); });
  if (Status status = session.start(); !status) {
    log_error("{}", status.error().text);
    end(session);
  }
}

Status Server::handle(Session& session, const wire::HostMessage& message) {
  if (const auto* hello = std::get_if<wire::Hello>(&message)) return greet(session, *hello);
  if (!session.greeted) return failure("it did not begin with Hello");
  if (const auto* acknowledge = std::get_if<wire::Acknowledge>(&message)) {
    programs_.settle_oom_events(acknowledge->event_sequence);
    collector_.acknowledge(acknowledge->snapshot_sequence);
    return {};
  }
  // Events first, so that a snapshot's oom_kills never speaks of a kill that the peer has no event of.
  on_oom_events();
  Result<wire::Snapshot> snapshot = collector_.collect(std::get<wire::Collect>(message).request);
  if (!snapshot) return failure_from(snapshot.error(), "cannot collect");
  Status sent = session.send(*std::move(snapshot));
  // The first ones did what later ones seldom do: learned the names, read what an earlier guest-probe had left.
  if (++collects_ == collects_of_start) shed_startup_memory();
  return sent;
}

Status Server::greet(Session& session, const wire::Hello& hello) {
  if (Status status = session.send(hello_()); !status) return status;
  if (hello.protocol != wire::protocol_version) {
    return failure(fmt::format("it speaks protocol {}, this guest-probe speaks {}: use the same version on both sides",
                               hello.protocol, wire::protocol_version));
  }
  on_oom_events();  // the others get what is new, and this one all that waits
  const Result<std::vector<oom_record>> waiting = programs_.oom_events_after(0);
  if (!waiting) return failure_from(waiting.error());
  session.greeted = true;
  for (const oom_record& record : *waiting) {
    if (Status status = session.send(make_oom_event(record)); !status) return status;
  }
  return {};
}

void Server::on_oom_events() {
  const Result<std::vector<oom_record>> records = programs_.oom_events_after(events_seen_);
  if (!records) {
    log_error("{}", records.error().text);
    return;
  }
  for (const oom_record& record : *records) {
    events_seen_ = record.sequence;
    const wire::OomEvent event = make_oom_event(record);
    for (Session& session : sessions_) {
      // A session that cannot take it is ended by its own next event; the others must not wait for that.
      if (session.greeted && !session.send(event)) session.greeted = false;
    }
    // Last: whoever is connected does not wait for a line to be written.
    log_info("oom kill: pid {} ({}) in {}, {} of {} bytes used, {} {}", event.victim_pid, event.victim_comm,
             event.cgroup, event.memory_usage_bytes, event.memory_limit_bytes, wire::name(event.oom_class),
             event.limit_cgroup);
  }
}

void Server::end(Session& session) {
  sessions_.remove_if([&](const Session& candidate) { return &candidate == &session; });
}

}  // namespace katameter
