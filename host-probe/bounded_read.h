#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "userspace/result.h"

namespace katameter::host {

/// As read_file(), of a file that may not answer, with a limit in time: /proc/<pid>/cmdline waits for a lock of the
/// process, which it can hold for as long as it likes. The event loop must not wait for it.
///
/// The file is read in a thread; one that does not return in time is left behind, and its error has the code ETIMEDOUT.
/// While max_left_behind of them have not returned nothing is read (EBUSY).
Result<std::string> read_file_within(std::chrono::milliseconds limit, const std::string& path, std::size_t max_bytes);

/// The same of any reading; `what` is read, for the error.
Result<std::string> read_within(std::chrono::milliseconds limit, const std::string& what,
                                std::function<Result<std::string>()> read);

inline constexpr int max_left_behind = 8;

}  // namespace katameter::host
