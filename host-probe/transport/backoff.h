#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace katameter {

/// How long to wait before the next attempt: doubles from `first` up to `longest`. Each wait is drawn from the upper
/// half of its step, so that the sandboxes of a node do not all come back in the same moment.
class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration first, Duration longest, std::uint32_t seed = std::random_device{}())
      : first_(first), longest_(longest), step_(first) {
    // Seeds that are near each other would else begin with waits that are.
    std::seed_seq spread{seed};
    random_.seed(spread);
  }

  Duration next() {
    std::uniform_int_distribution<Duration::rep> draw(step_.count() / 2, step_.count());
    const Duration wait(draw(random_));
    step_ = std::min(2 * step_, longest_);
    return wait;
  }

  /// The attempt succeeded: begin again at `first`.
  void reset() { step_ = first_; }

 private:
  Duration first_;
  Duration longest_;
  Duration step_;
  std::minstd_rand random_;
};

}  // namespace katameter
