#pragma once

#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "guest-probe/collect/collector.h"
#include "guest-probe/server/session.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

namespace katameter::guest {

/// Gives back the memory that starting took and serving does not need: free heap, and the program's own pages, of which
/// those that are needed again are read again; the guest's page cache gives up the program, too. Called when all is
/// ready, and after the first snapshots.
void release_startup_memory();

/// Answers the host (and `guest-probe dump`): Hello, snapshots on request, OOM events as they happen. What one peer may
/// ask, what is done if it asks for more, and when a peer is disconnected: docs/protocol.md.
class Server {
 public:
  /// `hello` makes the Hello that a peer gets. The references are to outlive the server.
  Server(EventLoop& loop, Collector& collector, GuestPrograms& programs, std::function<wire::Hello()> hello);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Takes peers from a listening socket.
  Status serve(Fd listening);
  /// Passes OOM events on from now on, those first that waited for a guest-probe.
  Status watch_oom_events();

 private:
  void take_peer(const Fd& listening);
  Status handle(Session& session, const wire::HostMessage& message);
  Status answer_hello(Session& session, const wire::Hello& hello);
  Status answer(Session& session, const wire::Collect& collect);
  void on_oom_events();
  void forget_acknowledged();
  void end(Session& session);
  void end_those_gone(const Session* but);
  std::vector<const PeerState*> peers() const;

  EventLoop& loop_;
  Collector& collector_;
  GuestPrograms& programs_;
  std::function<wire::Hello()> hello_;
  unsigned collects_made_ = 0;
  std::uint64_t events_seen_ = 0;  // the sequence of the last OOM event that was passed on
  Acknowledged acknowledged_;
  std::optional<PeerState::Time> host_heard_;
  // Of all peers together: walks through the guest, Hellos, and lines about peers that are not served.
  TokenBucket collects_{20, 10};
  TokenBucket hellos_{100, 20};
  TokenBucket unserved_lines_{1, 1.0 / 60};
  std::list<Fd> listening_;
  std::list<Session> sessions_;
};

}  // namespace katameter::guest
