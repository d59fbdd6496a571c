#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/result.h"

namespace katameter {

/// The CPU numbers of a list as the kernel writes it, rising: "0-3,8\n" gives 0 1 2 3 8 (lib/bitmap.c, %*pbl).
/// An error if it is no such list, or has a number of 65,536 and more.
Result<std::vector<int>> parse_cpu_list(std::string_view text);

/// The list in a file of /sys/devices/system/cpu: "possible", "online". The numbers need not be dense.
Result<std::vector<int>> read_cpu_list(const std::string& name);

}  // namespace katameter
