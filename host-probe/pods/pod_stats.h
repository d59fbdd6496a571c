#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "host-probe/pods/container_stats.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

namespace katameter::host {

/// When a runtime is asked for its containers' statistics.
struct StatsTiming {
  using Duration = std::chrono::milliseconds;
  Duration interval{30'000};  // from one request to the next, at least
  Duration max_age{150'000};  // of an answer that is still used: a runtime that fails costs a few of them
};

/// The statistics of all containers of this node, as its runtimes gave them last. They are asked for when somebody looks,
/// in one call for all containers. For the event loop's thread only.
class PodStats {
 public:
  using Clock = std::chrono::steady_clock;

  /// `loop` must outlive it.
  static Result<std::unique_ptr<PodStats>> create(EventLoop& loop, std::unique_ptr<StatsSource> source,
                                                  const StatsTiming& timing = {});

  /// Somebody looks: asks if the last request was long enough ago. What has been answered by then is for the next look.
  void wanted();

  /// The running containers of a sandbox; null if no runtime has said anything about it lately.
  const std::vector<ContainerStats>* of(const ContainerId& sandbox) const;
  /// How old the statistics are.
  std::chrono::seconds age() const;

  /// Asks there from now on. On an error nothing has changed.
  Status set_source(std::unique_ptr<StatsSource> source);

 private:
  PodStats(EventLoop& loop, const StatsTiming& timing) : loop_(loop), timing_(timing) {}
  void answered(const StatsSource::Answer& answer);

  EventLoop& loop_;
  StatsTiming timing_;
  std::unique_ptr<SourceThread<StatsSource>> thread_;
  bool open_ = false;  // a request that has no answer yet
  std::optional<Clock::time_point> asked_at_;
  std::optional<StatsBySandbox> stats_;
  Clock::time_point stats_at_;  // they were asked for
};

}  // namespace katameter::host
