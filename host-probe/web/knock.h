#pragma once

#include <thread>
#include <vector>

#include "host-probe/web/listen_address.h"

namespace katameter {

/// Connects to the addresses every few milliseconds for as long as it lives. The HTTP server's own thread looks only
/// every 2 s whether it is to end, or when somebody connects.
class Knocking {
 public:
  /// Where no thread can be had the server takes its time.
  explicit Knocking(std::vector<ListenAddress> addresses);

 private:
  std::jthread thread_;
};

}  // namespace katameter
