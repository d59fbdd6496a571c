#pragma once

#include <chrono>
#include <string>

#include "host-probe/timer_queue.h"

namespace katameter::host {

/// Notifications of the service manager where host-probe is a systemd unit of Type=notify (sd_notify(3)); elsewhere
/// nothing is sent. `status` is the line that `systemctl status` shows.
void notify_ready(const std::string& status);
/// Until the next notify_ready(), `systemctl reload` is under way.
void notify_reloading();
void notify_stopping();

/// Where the unit has WatchdogSec=, notifies the service manager twice in this time that the event loop still runs; a
/// loop that hangs sends nothing, and host-probe is restarted. Elsewhere it sets no timer.
class Watchdog {
 public:
  /// `timers` must live longer; their loop is the one that is watched.
  explicit Watchdog(TimerQueue& timers);
  ~Watchdog() = default;
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void notify();

  TimerQueue& timers_;
  std::chrono::microseconds interval_{0};
  TimerQueue::Timer next_;
};

}  // namespace katameter::host
