#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace katameter {

/// Bounds the series that one sandbox can make by naming its network interfaces ever anew.
class InterfaceNames {
 public:
  /// Names that a sandbox may have used in its whole life, reboots included.
  static constexpr std::size_t at_most = 64;

  /// Whether an interface of this name is told of: one that was, or a new one while there is room.
  bool admit(std::string_view name) {
    if (names_.contains(name)) return true;
    if (names_.size() == at_most) return false;
    names_.emplace(name);
    return true;
  }

 private:
  std::set<std::string, std::less<>> names_;
};

}  // namespace katameter
