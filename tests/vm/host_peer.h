#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/vm/daemon.h"
#include "userspace/fd.h"
#include "userspace/wire/frame.h"

namespace katameter::guest {

/// What a host is to a guest-probe: one connection that stays, collects, and acknowledges. Any failure ends the test.
class HostPeer {
 public:
  explicit HostPeer(const Daemon& daemon);

  /// One snapshot; events that come before it are kept in `events`. Refused for having asked too often, it waits and asks
  /// again.
  wire::Snapshot collect();
  /// All events and snapshots so far have arrived.
  void acknowledge();
  /// Ends the connection; returns when guest-probe has read all that was sent.
  void close();

  void send(const wire::HostMessage& message);
  /// The next message, whatever it is.
  wire::GuestMessage receive();

  std::vector<wire::OomEvent> events;

 private:
  Fd socket_;
  wire::FrameReader reader_;
  std::uint64_t requests_ = 0;
  std::uint64_t sequence_ = 0;
};

/// What a snapshot says of a container; nothing if there is none.
std::optional<wire::Container> find_container(const wire::Snapshot& snapshot, const std::string& id);

}  // namespace katameter::guest
