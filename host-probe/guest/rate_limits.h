#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

#include "userspace/token_bucket.h"

// How much one guest may send, and how often it is connected to.
namespace katameter::host {

/// What one guest may make the host work on. It outlives connections: a new one brings no new tokens.
///
/// guest-probe itself stays far below: the largest frame is 2 MiB, when 2,000 containers have every value at its
/// largest, and comes once for each scrape; it keeps 256 events (OOM_KEPT), and a kernel needs milliseconds for each OOM
/// kill.
struct GuestRateLimits {
  TokenBucket bytes{8.0 * 1024 * 1024, 2.0 * 1024 * 1024};
  TokenBucket events{1024, 100};
  TokenBucket cpu_seconds{1.0, 0.05};  // of host-probe's thread
};

/// How long to wait before the next attempt: doubles from `min` up to `max`. Each wait is drawn from the upper half of
/// its step, so that the sandboxes of a node do not all come back in the same moment.
class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration min, Duration max, std::uint32_t seed = std::random_device{}()) : min_(min), max_(max), step_(min) {
    // Seeds that are near each other would else begin with waits that are.
    std::seed_seq spread{seed};
    random_.seed(spread);
  }

  Duration next() {
    std::uniform_int_distribution<Duration::rep> draw(step_.count() / 2, step_.count());
    const Duration wait(draw(random_));
    step_ = std::min(2 * step_, max_);
    return wait;
  }

  /// The attempt succeeded: begin again at `min`.
  void reset() { step_ = min_; }

 private:
  Duration min_;
  Duration max_;
  Duration step_;
  std::minstd_rand random_;
};

}  // namespace katameter::host
