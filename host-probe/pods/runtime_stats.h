#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "host-probe/pods/container_stats.h"
#include "host-probe/pods/cri.h"
#include "host-probe/pods/runtime.h"

namespace katameter::host {

/// The statistics of all running containers, by the container runtimes of this node. Of each Kata container the runtime
/// asks its shim, and that the guest's agent, as it does for kubelet.
class RuntimeStats : public StatsSource {
 public:
  /// `timing`: of it the deadline, for one runtime, and the waits after a failure.
  explicit RuntimeStats(const std::vector<RuntimeEndpoint>& endpoints, const RuntimeTiming& timing = default_timing());

  static RuntimeTiming default_timing();

  Answer look_up(const Request& request) override;
  void cancel() override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Runtime {
    RuntimeEndpoint endpoint;
    std::unique_ptr<CriClient> client;
    unsigned failures = 0;  // in a row
    Clock::time_point not_before{};
  };
  void note_failure(Runtime& runtime, const CriFailure& failure) const;

  std::vector<Runtime> runtimes_;
  RuntimeTiming timing_;
};

}  // namespace katameter::host
