#pragma once

#include "tests/vm/daemon.h"
#include "userspace/fd.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// A connection to a Daemon that stays, as the host's does. Any failure ends the test.
class Peer {
 public:
  explicit Peer(const Daemon& daemon);

  /// One snapshot; OOM events that come before it are passed over. Acknowledged if `acknowledge`.
  wire::Snapshot collect(bool acknowledge = true) const;

 private:
  void send(const wire::HostMessage& message) const;
  wire::GuestMessage receive() const;

  Fd socket_;
  mutable wire::FrameReader reader_;
};

}  // namespace katameter
