#pragma once

#include <cstdint>
#include <string>

#include "userspace/log.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Tells new OOM events of one guest from those that it sends again because their acknowledgement was lost.
class OomEventFilter {
 public:
  /// Another boot, or another instance of guest-probe, numbers its events from 1 again.
  void connected(const wire::Hello& hello);

  /// True once per event.
  bool is_new(const wire::OomEvent& event);

 private:
  std::string boot_id_;
  std::string instance_;
  std::uint64_t sequence_ = 0;  // of the last new event
};

/// The facts of an event as fields of a log line: `sandbox`, `container`, `pid`, `comm` ... Without a container or a
/// cgroup that has the limit, those fields are left out.
LogFields describe(const ContainerId& sandbox, const wire::OomEvent& event);

}  // namespace katameter
