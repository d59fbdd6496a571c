#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>

#include "userspace/wire/messages.h"

namespace katameter {

/// Bounds the series that one sandbox can make by numbering its block devices ever anew.
class BlockDeviceNumbers {
 public:
  /// Numbers that a sandbox may have used in its whole life, reboots included.
  static constexpr std::size_t at_most = 64;

  /// Whether a device of this number is told of: one that was, or a new one while there is room.
  bool admit(const wire::BlockDevice& device) {
    const std::pair number{device.major, device.minor};
    if (numbers_.contains(number)) return true;
    if (numbers_.size() == at_most) return false;
    numbers_.insert(number);
    return true;
  }

 private:
  std::set<std::pair<std::uint32_t, std::uint32_t>> numbers_;
};

}  // namespace katameter
