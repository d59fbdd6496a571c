#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/token_bucket.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

enum class PeerKind {
  host,   ///< over vsock
  local,  ///< over the Unix socket, which is root's: `guest-probe dump`, or whoever looks into this guest
};

/// What an accepted connection's other end is, by its address. An error for one that may not speak to guest-probe: on
/// vsock the host alone may (VMADDR_CID_HOST), since every container of a guest with a loopback transport can connect.
Result<PeerKind> kind_of_peer(const sockaddr_storage& address);

struct Peer {
  Fd socket;
  PeerKind kind = PeerKind::local;
};

/// Takes one connection from a listening socket of either kind; those that are not served are closed. Errors: as of
/// kind_of_peer(), with code EPERM; else those of accept4(2).
Result<Peer> accept_peer(const Fd& listening);

/// What the server knows of one peer. No socket, and no clock but the caller's. Sequences are 0 before there is one.
struct PeerState {
  using Time = std::chrono::steady_clock::time_point;

  PeerKind kind = PeerKind::local;
  bool has_hello = false;        ///< it has sent Hello; before that it gets nothing unasked
  Time heard;                    ///< when it connected or sent its last message
  Time asked;                    ///< when it sent Hello or its last Collect
  std::uint64_t event_sent = 0;  ///< the last OOM event that it was sent; it was sent those before, too
  std::uint64_t event_acknowledged = 0;
  std::uint64_t snapshot_acknowledged = 0;

  void snapshot_sent(std::uint64_t sequence);
  /// What was not sent to this peer it cannot have, and does not acknowledge.
  void acknowledge(const wire::Acknowledge& acknowledge);

 private:
  // The last two; those between them went to other peers.
  std::uint64_t snapshot_sent_ = 0;
  std::uint64_t snapshot_before_ = 0;
};

/// A host that has asked for nothing for so long has no say in what the others are done with.
inline constexpr std::chrono::minutes max_idle{5};
/// A peer that was silent for so long counts as gone, as does one that has left what it was sent unread for a minute.
inline constexpr std::chrono::minutes max_silence{15};
inline constexpr std::chrono::minutes max_unread{1};

/// Up to which sequence everybody who counts has all.
struct Acknowledged {
  std::uint64_t events = 0;
  std::uint64_t snapshots = 0;
};

/// While a host is connected, or was heard within max_idle (`host_heard`), the hosts count: for snapshots those that
/// have asked within max_idle, for events those that were heard within it. Else those local peers count that have
/// acknowledged something, under the same bounds: one that only looks acknowledges nothing for others and delays nobody.
Acknowledged acknowledged_by(const std::vector<const PeerState*>& peers, std::optional<PeerState::Time> host_heard,
                             PeerState::Time now);

/// Whether a peer is to be taken for gone. `unread_since`: since when it has taken nothing of what waits for it; now, if
/// nothing does. The host that was heard last may be silent for as long as it likes: it waits for OOM events.
bool is_gone(const PeerState& peer, const std::vector<const PeerState*>& peers, PeerState::Time unread_since,
             PeerState::Time now);

/// One connected peer: cuts what it sends into messages, and sends it ours without ever blocking. One that sends what
/// cannot be read, or more than a host ever does, gets an answer that says so and is disconnected.
class Session {
 public:
  /// Called for each message of the peer. An error ends the session.
  using Handler = std::function<Status(Session&, const wire::HostMessage&)>;
  /// Called once, when the session has ended; the owner destroys it then.
  using Ended = std::function<void(Session&)>;

  using Time = PeerState::Time;

  Session(EventLoop& loop, Peer peer, Handler handler, Ended ended);
  ~Session() { loop_.unwatch(socket_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Starts serving.
  Status start();

  /// Queues a message. An error if more waits for the peer then than the largest snapshot and all OOM events that are
  /// kept: it does not read.
  Status send(const wire::GuestMessage& message);
  /// Whether something waits for the peer to be taken.
  bool has_unsent() const { return !unsent_.empty(); }
  /// Since when it has taken nothing of that; `now` if nothing waits.
  Time unread_since(Time now) const { return unsent_.empty() ? now : written_; }

  PeerState peer;

 private:
  void on_ready(std::uint32_t events);
  Status read();
  Status write();
  Status wait_to_send(bool wait);

  EventLoop& loop_;
  Fd socket_;
  Handler handler_;
  Ended ended_;
  wire::FrameReader reader_{wire::max_request_bytes};
  std::string unsent_;
  Time written_;  // when the socket last took something
  TokenBucket messages_{1000, 100};
  bool waits_to_send_ = false;
  bool closed_by_peer_ = false;
};

}  // namespace katameter::guest
