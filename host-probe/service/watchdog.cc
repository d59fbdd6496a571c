#include "host-probe/service/watchdog.h"

#include <systemd/sd-daemon.h>

#include <cstdint>

namespace katameter::host {

Watchdog::Watchdog(TimerQueue& timers) : timers_(timers) {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return;
  interval_ = std::chrono::microseconds(microseconds / 2);
  notify();
}

void Watchdog::notify() {
  sd_notify(0, "WATCHDOG=1");
  next_ = timers_.after(interval_, [this] { notify(); });
}

}  // namespace katameter::host
