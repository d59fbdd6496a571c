#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "guest-probe/server/peer_state.h"
#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/token_bucket.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

namespace katameter::guest {

/// One connected peer: cuts what it sends into messages, and sends it ours without ever blocking. One that sends what
/// cannot be read, or more than a host ever does, is told so and disconnected.
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
