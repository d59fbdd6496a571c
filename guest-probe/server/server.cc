#include "guest-probe/server/server.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "guest-probe/account/memory.h"
#include "userspace/fd.h"
#include "userspace/log.h"

namespace katameter::guest {
namespace {

// Code and constants: never written to, so that nothing is lost with these pages. Where it fails, they stay.
int drop_constant_pages(dl_phdr_info* object, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(getpagesize());
  for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t first = (object->dlpi_addr + segment.p_vaddr) / page * page;
    const std::uintptr_t last = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): ELF has numbers
    auto* const address = reinterpret_cast<void*>(first);
    const std::size_t size = (last - first + page - 1) / page * page;
    madvise(address, size, MADV_RANDOM);
    madvise(address, size, MADV_DONTNEED);
  }
  return 0;
}

// A page that is needed again brings all those around it that are in the page cache (do_fault_around), 1.2 MiB with ten
// containers. So that there are none, the program leaves the cache, too, and by MADV_RANDOM no page is read ahead.
void leave_page_cache() {
  const Fd program(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (program) posix_fadvise(program.get(), 0, 0, POSIX_FADV_DONTNEED);
}

// The host needs one connection, a person another; a VMM has 1023 for all its guest's services.
constexpr std::size_t max_sessions = 16;

constexpr unsigned collects_of_start = 2;

using Clock = std::chrono::steady_clock;

}  // namespace

void release_startup_memory() {
  malloc_trim(0);
  dl_iterate_phdr(drop_constant_pages, nullptr);
  leave_page_cache();
}

Server::Server(EventLoop& loop, Collector& collector, GuestPrograms& programs, std::function<wire::Hello()> hello)
    : loop_(loop), collector_(collector), programs_(programs), hello_(std::move(hello)) {}

Server::~Server() {
  for (const Fd& listening : listening_) loop_.unwatch(listening);
  if (programs_.oom_wakeup()) loop_.unwatch(programs_.oom_wakeup());
}

Status Server::serve(Fd listening) {
  const Fd& kept = listening_.emplace_back(std::move(listening));
  return loop_.watch(kept, EPOLLIN, [this, &kept](std::uint32_t) { take_peer(kept); });
}

Status Server::watch_oom_events() {
  if (!programs_.oom_wakeup()) return {};
  on_oom_events();
  return loop_.watch(programs_.oom_wakeup(), EPOLLIN, [this](std::uint32_t) { on_oom_events(); });
}

void Server::take_peer(const Fd& listening) {
  Result<Peer> peer = accept_peer(listening);
  if (!peer) {
    if (peer.error().code == EPERM && unserved_lines_.take(1, Clock::now())) {
      log_warning("a peer was not served (more of this is not logged for a minute)", {{"error", peer.error().text}});
    }
    return;
  }
  end_those_gone(nullptr);
  if (sessions_.size() == max_sessions) {
    const auto longest_silent =
        std::min_element(sessions_.begin(), sessions_.end(),
                         [](const Session& a, const Session& b) { return a.peer.heard < b.peer.heard; });
    if (unserved_lines_.take(1, Clock::now())) {
      log_warning(
          "too many peers: the one silent for the longest time was disconnected (more of this is not logged for a "
          "minute)",
          {{"max_peers", max_sessions}});
    }
    sessions_.erase(longest_silent);
  }
  Session& session = sessions_.emplace_back(
      loop_, *std::move(peer),
      [this](Session& from, const wire::HostMessage& message) { return handle(from, message); },
      [this](Session& ended) { end(ended); });
  if (Status status = session.start(); !status) {
    log_error("cannot serve a peer", {{"error", status.error().text}});
    end(session);
  }
}

Status Server::handle(Session& session, const wire::HostMessage& message) {
  if (const auto* hello = std::get_if<wire::Hello>(&message)) return answer_hello(session, *hello);
  if (!session.peer.has_hello) return failure("it did not begin with Hello");
  if (session.peer.kind == PeerKind::host) host_heard_ = session.peer.heard;
  if (const auto* acknowledge = std::get_if<wire::Acknowledge>(&message)) {
    session.peer.acknowledge(*acknowledge);
    forget_acknowledged();
    return {};
  }
  if (const auto* unknown = std::get_if<wire::Unknown>(&message)) {
    return session.send(
        wire::Refusal{0, fmt::format("message {} is of a newer version than this guest-probe, which is {}",
                                     unknown->field, KATAMETER_VERSION)});
  }
  return answer(session, std::get<wire::Collect>(message));
}

Status Server::answer(Session& session, const wire::Collect& collect) {
  const auto now = Clock::now();
  session.peer.asked = now;
  end_those_gone(&session);
  if (session.has_unsent()) {
    return session.send(wire::Refusal{collect.request, "the last answer is not read yet: one Collect at a time"});
  }
  if (!collects_.take(1, now)) {
    return session.send(
        wire::Refusal{collect.request, "asked too often: 20 at once, and 10 a second of all peers, are answered"});
  }
  // Events first, so that a snapshot's oom_kills never speaks of a kill that the peer has no event of.
  on_oom_events();
  Result<wire::Snapshot> snapshot = collector_.collect(collect.request);
  if (!snapshot) return failure_from(snapshot.error(), "cannot collect");
  session.peer.snapshot_sent(snapshot->sequence);
  Status sent = session.send(*std::move(snapshot));
  // The first ones did what later ones seldom do: learned the names, read what an earlier guest-probe had left.
  if (++collects_made_ == collects_of_start) release_startup_memory();
  return sent;
}

Status Server::answer_hello(Session& session, const wire::Hello& hello) {
  if (session.peer.has_hello) return session.send(wire::Refusal{0, "Hello is sent once"});
  if (!hellos_.take(1, Clock::now())) return failure("there are too many new connections: 20 a second are taken");
  if (Status status = session.send(hello_()); !status) return status;
  if (hello.protocol != wire::protocol_version) {
    return failure(fmt::format("it speaks protocol {}, this guest-probe speaks {}: use the same version on both sides",
                               hello.protocol, wire::protocol_version));
  }
  on_oom_events();  // the others get what is new, and this one all that waits
  const Result<std::vector<oom_record>> waiting = programs_.oom_events_after(0);
  if (!waiting) return failure_from(waiting.error());
  session.peer.has_hello = true;
  session.peer.asked = Clock::now();
  for (const oom_record& record : *waiting) {
    if (Status status = session.send(make_oom_event(record)); !status) return status;
    session.peer.event_sent = record.sequence;
  }
  return {};
}

void Server::on_oom_events() {
  const Result<std::vector<oom_record>> records = programs_.oom_events_after(events_seen_);
  if (!records) {
    log_error("cannot read the OOM events", {{"error", records.error().text}});
    return;
  }
  for (const oom_record& record : *records) {
    events_seen_ = record.sequence;
    const wire::OomEvent event = make_oom_event(record);
    for (Session& session : sessions_) {
      // A session that cannot take it is ended by its own next event; the others must not wait for that.
      if (!session.peer.has_hello) continue;
      session.peer.event_sent = event.sequence;
      if (!session.send(event)) session.peer.has_hello = false;
    }
    // Last: whoever is connected does not wait for a line to be written.
    log_info("oom kill", {{"pid", event.victim_pid},
                          {"comm", event.victim_comm},
                          {"cgroup", event.cgroup},
                          {"usage_bytes", event.memory_usage_bytes},
                          {"limit_bytes", event.memory_limit_bytes},
                          {"class", wire::name(event.oom_class)},
                          {"limit_cgroup", event.limit_cgroup}});
  }
}

// The last values of a container, and OOM events, are kept until everybody who counts has them.
void Server::forget_acknowledged() {
  const Acknowledged now = acknowledged_by(peers(), host_heard_, Clock::now());
  if (now.events > acknowledged_.events) programs_.acknowledge_oom_events(acknowledged_.events = now.events);
  if (now.snapshots > acknowledged_.snapshots) collector_.acknowledge(acknowledged_.snapshots = now.snapshots);
}

void Server::end(Session& session) {
  sessions_.remove_if([&](const Session& candidate) { return &candidate == &session; });
  forget_acknowledged();
}

void Server::end_those_gone(const Session* but) {
  const auto now = Clock::now();
  const std::vector<const PeerState*> all = peers();
  std::vector<const Session*> gone;
  for (const Session& session : sessions_) {
    if (&session != but && is_gone(session.peer, all, session.unread_since(now), now)) gone.push_back(&session);
  }
  if (gone.empty()) return;
  log_warning("peers were disconnected: silent, or not reading, for too long",
              {{"count", gone.size()},
               {"max_silence_minutes", max_silence.count()},
               {"max_unread_minutes", max_unread.count()}});
  sessions_.remove_if([&](const Session& session) { return std::count(gone.begin(), gone.end(), &session) != 0; });
}

std::vector<const PeerState*> Server::peers() const {
  std::vector<const PeerState*> peers;
  peers.reserve(sessions_.size());
  for (const Session& session : sessions_) peers.push_back(&session.peer);
  return peers;
}

}  // namespace katameter::guest
