#pragma once

#include <string>

namespace katameter::host::testing {

/// What `address` (IPv4:PORT) sends back for the bytes of a request until it closes. Throws if the server does not take
/// it: threads ask too, and Catch2's assertions are for one thread.
std::string http_ask(const std::string& address, const std::string& request);

/// The answer to a GET request of HTTP/1.0. `header`: more lines of the request, each with its end.
std::string http_get(const std::string& address, const std::string& path, const std::string& header = "");

}  // namespace katameter::host::testing
