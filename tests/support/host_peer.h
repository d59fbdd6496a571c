#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/fd.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What a host is to a guest-probe: one connection that stays, collects, and acknowledges. Any failure throws a
/// std::runtime_error, which ends a test and a program.
class HostPeer {
 public:
  /// `socket`: the path of guest-probe's Unix socket. Each answer may take 60 s.
  explicit HostPeer(const std::string& socket);

  /// One snapshot; events that come before it are kept in `events`. Refused for having asked too often, it waits and asks
  /// again.
  wire::Snapshot collect();
  /// The next event, which is waited for, and kept as well.
  wire::OomEvent wait_for_event();
  /// All events and snapshots so far have arrived.
  void acknowledge();
  /// Ends the connection; returns when guest-probe has read all that was sent.
  void close();

  void send(const wire::HostMessage& message);
  /// The next message, whatever it is.
  wire::GuestMessage receive();

  /// Of the last snapshot, with the length in front.
  std::size_t snapshot_bytes() const { return snapshot_bytes_; }

  std::vector<wire::OomEvent> events;

 private:
  Fd socket_;
  wire::FrameReader reader_;
  std::uint64_t requests_ = 0;
  std::uint64_t sequence_ = 0;
  std::size_t snapshot_bytes_ = 0;
};

/// What a snapshot says of a container; nothing if there is none.
std::optional<wire::Container> find_container(const wire::Snapshot& snapshot, const std::string& id);

}  // namespace katameter::guest
