#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

namespace katameter {

/// One connected peer: cuts what it sends into messages, and sends it ours without ever blocking.
class Session {
 public:
  /// Called for each message of the peer. An error ends the session.
  using Handler = std::function<Status(Session&, const wire::HostMessage&)>;
  /// Called once, when the session has ended; the owner destroys it then.
  using Ended = std::function<void(Session&)>;

  Session(EventLoop& loop, Fd socket, Handler handler, Ended ended);
  ~Session() { loop_.unwatch(socket_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Starts serving.
  Status start();

  /// Queues a message. A peer that does not read is dropped when more than four frames' worth waits for it.
  Status send(const wire::GuestMessage& message);

  /// Set when the peer has said Hello; before that it gets nothing unasked.
  bool greeted = false;

 private:
  void on_ready(std::uint32_t events);
  Status read();
  Status write();
  Status wait_to_send(bool wait);

  EventLoop& loop_;
  Fd socket_;
  Handler handler_;
  Ended ended_;
  wire::FrameReader reader_;
  std::string unsent_;
  bool waits_to_send_ = false;
  bool closed_by_peer_ = false;
};

}  // namespace katameter
