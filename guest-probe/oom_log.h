#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "bpf/records.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// An OOM record of the kernel as an event for the host; says which container the victim was in.
wire::OomEvent make_oom_event(const oom_record& record);

/// OOM events until the host has acknowledged them; bounded, the oldest go first.
class OomLog {
 public:
  explicit OomLog(std::size_t capacity) : capacity_(capacity) {}

  void add(wire::OomEvent event);
  void acknowledge(std::uint64_t sequence);

  const std::deque<wire::OomEvent>& events() const { return events_; }
  /// Events that went unacknowledged to make room.
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::size_t capacity_;
  std::deque<wire::OomEvent> events_;
  std::uint64_t dropped_ = 0;
};

}  // namespace katameter
