#pragma once

#include <optional>
#include <string>
#include <vector>

#include "guest-probe/collect/link_stats.h"
#include "guest-probe/collect/meminfo.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What is asked of the kernel once for the whole guest and not by BPF: memory and network. Opened at start; later only
/// the descriptors are used.
class GuestSources {
 public:
  /// What cannot be opened is left out of the snapshots and described in lacks().
  static GuestSources open();

  /// Fills in what could be read. A source that fails is left out of this snapshot.
  void read(wire::Snapshot& snapshot);

  /// One line for each source that could not be opened.
  const std::vector<std::string>& lacks() const { return lacks_; }

 private:
  std::optional<Meminfo> meminfo_;
  std::optional<LinkStats> links_;
  std::vector<std::string> lacks_;
  bool failed_ = false;  // said once
};

}  // namespace katameter::guest
