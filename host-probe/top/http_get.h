#pragma once

#include <string>

#include "userspace/result.h"

namespace katameter {

/// The body of http://`address``path`; `address` is IP:PORT. Waits at most 5 s for each step. Another answer than 200 is
/// an error, as is no answer.
Result<std::string> http_get(const std::string& address, const std::string& path);

}  // namespace katameter
