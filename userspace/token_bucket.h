#pragma once

#include <algorithm>
#include <chrono>

namespace katameter {

/// A token bucket: `burst` tokens at once, and `per_second` in the long run. Starts full. Pure: the caller gives the
/// time.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  TokenBucket(double burst, double per_second) : burst_(burst), per_second_(per_second), tokens_(burst) {}

  /// False: there are not enough tokens, and none was taken.
  bool take(double tokens, Time now) {
    const double passed = std::chrono::duration<double>(now - last_).count();
    tokens_ = last_ == Time() ? burst_ : std::min(burst_, tokens_ + std::max(0.0, passed) * per_second_);
    last_ = now;
    if (tokens > tokens_) return false;
    tokens_ -= tokens;
    return true;
  }

 private:
  double burst_;
  double per_second_;
  double tokens_;
  Time last_;
};

}  // namespace katameter
