#include "host-probe/web/knock.h"

#include <chrono>
#include <system_error>
#include <utility>

#include "userspace/log.h"

namespace katameter {

Knocking::Knocking(std::vector<ListenAddress> addresses) {
  try {
    thread_ = std::jthread([addresses = std::move(addresses)](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        for (const ListenAddress& address : addresses) knock(address);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  } catch (const std::system_error& error) {
    log_debug("the HTTP server takes up to 2 s to end: no thread: {}", error.what());
  }
}

}  // namespace katameter
