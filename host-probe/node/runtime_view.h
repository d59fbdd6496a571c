#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "host-probe/guest/cpu_plausibility.h"
#include "host-probe/guest/drop_reason.h"
#include "host-probe/node/report.h"
#include "host-probe/pods/container_stats.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// The guest's part of the reports of a sandbox without guest-probe, by what the container runtime says of its containers,
/// which is what the guest's agent says. It has no value of the guest as a whole. No counter of a container falls.
class RuntimeView {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit RuntimeView(CpuPlausibility cpu = {0, {}}) : cpu_(std::move(cpu)) {}

  /// For each report, before update(): what the host has given the sandbox. `given_ns`: as CpuPlausibility takes it;
  /// nothing where it is not known. `mapped_bytes`: SandboxMemory::vmm_mapped_bytes, 0 where it is not known.
  void set_host(std::optional<std::uint64_t> given_ns, std::uint64_t mapped_bytes, Time now);

  /// `stats`: in the order of the ids; `age_seconds`: theirs. What no guest can have is refused as a whole, and then nothing
  /// has changed: values that are impossible, more memory than the VMM has mapped, more CPU time than its vCPUs got since
  /// set_host() was first called with it.
  tl::expected<GuestView, Drop> update(const std::vector<ContainerStats>& stats, std::int64_t age_seconds,
                                       Time now = {});
  /// Whether an update() had a container that the one before did not have; once.
  bool take_started() { return std::exchange(started_, false); }
  /// Those that the last update() had no more, with their last values; once.
  std::vector<wire::Container> take_ended() { return std::exchange(ended_, {}); }
  /// Those that the last update() had, in the order of their ids.
  const std::vector<wire::Container>& living() const { return living_; }

 private:
  std::optional<Drop> check(const std::vector<wire::Container>& containers, Time asked);

  CpuPlausibility cpu_;
  bool given_known_ = false;         // in this report
  std::uint64_t given_ns_ = 0;       // the last that was
  std::optional<Time> given_since_;  // from when on it has not fallen
  std::uint64_t mapped_bytes_ = 0;
  std::vector<wire::Container> living_;
  std::vector<wire::Container> ended_;
  bool started_ = false;
};

}  // namespace katameter::host
