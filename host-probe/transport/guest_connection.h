#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "host-probe/transport/handshake.h"
#include "host-probe/trust/drop_reason.h"
#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// One connection to a guest, from CONNECT to its end: handshake, then frames. Never blocks. It has no clock; whoever
/// owns it sets the deadlines.
class GuestConnection {
 public:
  struct Handlers {
    std::function<void()> opened;                                           // the handshake is done
    std::function<std::optional<Drop>(std::size_t bytes)> received;         // so much was read; a Drop ends it
    std::function<std::optional<Drop>(const wire::GuestMessage&)> message;  // a Drop ends the connection
    std::function<void()> drained;                                          // all messages of one read were handed on
    // The end; called once, as the last thing: the connection may be destroyed in it, and only in it or outside of
    // all handlers.
    std::function<void(const Drop&)> closed;
  };

  /// Takes a connected, non-blocking socket of the VMM and asks for `port` of the guest.
  static Result<std::unique_ptr<GuestConnection>> open(EventLoop& loop, Fd socket, std::uint32_t port,
                                                       Handlers handlers);
  /// Takes a non-blocking socket that is, or is about to be, connected to the guest itself: nothing is asked of a VMM.
  static Result<std::unique_ptr<GuestConnection>> open_direct(EventLoop& loop, Fd socket, Handlers handlers);
  ~GuestConnection();
  GuestConnection(const GuestConnection&) = delete;
  GuestConnection& operator=(const GuestConnection&) = delete;

  /// Sends now or, if the socket is full, as soon as it takes more. A broken connection shows through `closed` later.
  void send(const wire::HostMessage& message);

 private:
  GuestConnection(EventLoop& loop, Fd socket, Handlers handlers)
      : loop_(loop), socket_(std::move(socket)), handlers_(std::move(handlers)) {}
  void ready(std::uint32_t events);
  std::optional<Drop> connected();
  std::optional<Drop> receive();
  std::optional<Drop> take(std::string_view bytes);
  Drop end_of_stream() const;
  void flush();

  EventLoop& loop_;
  Fd socket_;
  Handlers handlers_;
  Handshake handshake_;
  wire::FrameReader frames_;
  std::string unsent_;
  bool waits_to_send_ = false;
  bool connecting_ = false;  // there is no answer to connect() yet
};

}  // namespace katameter
