#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "userspace/result.h"

namespace katameter {

/// A file that holds one number, or "max": the largest number of bytes that pages make (PAGE_COUNTER_MAX).
Result<std::uint64_t> read_number(const std::string& path);

/// A file of "key value" lines, such as memory.stat; an error if there is none.
Result<std::map<std::string, std::uint64_t>> read_table(const std::string& path);

/// False where the kernel does not take it, or has no such file.
bool write_file(const std::string& path, std::string_view text);

}  // namespace katameter
