#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "userspace/fd.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

namespace katameter::guest::bench {

/// One connection to a guest-probe, as a host keeps it. Any failure ends the program.
class HostSide {
 public:
  explicit HostSide(const std::string& socket);

  wire::Snapshot collect();
  /// The next event, which is waited for.
  wire::OomEvent wait_for_event();
  /// All that came so far has arrived.
  void acknowledge();

  /// Of the last snapshot, with the length in front.
  std::size_t snapshot_bytes() const { return snapshot_bytes_; }

 private:
  void send(const wire::HostMessage& message);
  wire::GuestMessage receive();

  Fd socket_;
  wire::FrameReader reader_;
  std::uint64_t requests_ = 0;
  std::uint64_t event_ = 0;
  std::uint64_t snapshot_ = 0;
  std::size_t snapshot_bytes_ = 0;
};

}  // namespace katameter::guest::bench
