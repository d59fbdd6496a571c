#pragma once

#include <algorithm>
#include <chrono>

namespace katameter {

/// So much at once, and so much a second in the long run. Pure: the caller gives the time.
class Allowance {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Allowance(double at_once, double per_second) : at_once_(at_once), per_second_(per_second), left_(at_once) {}

  /// False: that is more than is allowed, and nothing was taken.
  bool take(double amount, Time now) {
    const double passed = std::chrono::duration<double>(now - last_).count();
    left_ = last_ == Time() ? at_once_ : std::min(at_once_, left_ + std::max(0.0, passed) * per_second_);
    last_ = now;
    if (amount > left_) return false;
    left_ -= amount;
    return true;
  }

 private:
  double at_once_;
  double per_second_;
  double left_;
  Time last_;
};

}  // namespace katameter
