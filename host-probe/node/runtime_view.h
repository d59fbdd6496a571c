#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "host-probe/node/report.h"
#include "host-probe/pods/container_stats.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// The guest's part of the reports of a sandbox without guest-probe, by what the container runtime says of its containers.
/// It has no value of the guest as a whole. No counter of a container falls. Pure.
class RuntimeView {
 public:
  /// `stats`: in the order of the ids; `age_seconds`: theirs.
  GuestView update(const std::vector<ContainerStats>& stats, std::int64_t age_seconds);
  /// Those that the last update() had no more, with their last values; once.
  std::vector<wire::Container> take_ended() { return std::exchange(ended_, {}); }
  /// Those that the last update() had, in the order of their ids.
  const std::vector<wire::Container>& living() const { return living_; }

 private:
  std::vector<wire::Container> living_;
  std::vector<wire::Container> ended_;
};

}  // namespace katameter::host
