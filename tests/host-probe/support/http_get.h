#pragma once

#include <string>

namespace katameter::testing {

/// A GET request to `address` (IPv4:PORT); the whole answer. `header`: more lines of the request, each with its end.
/// Throws if the server does not take it: threads ask too, and Catch2's assertions are for one thread.
std::string http_get(const std::string& address, const std::string& path, const std::string& header = "");

}  // namespace katameter::testing
