#include "host-probe/service/systemd.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "userspace/log.h"

namespace katameter::host {
namespace {

void notify(const std::string& state) {
  const int sent = sd_notify(0, state.c_str());
  if (sent < 0) log_warning("cannot reach the service manager", {{"error", std::strerror(-sent)}});
}

}  // namespace

void notify_ready(const std::string& status) {
  std::string line = status;
  std::ranges::replace(line, '\n', ' ');  // else it could say more than its status
  notify("READY=1\nSTATUS=" + line);
}

void notify_reloading() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();  // CLOCK_MONOTONIC, as systemd wants it
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the configuration",
                     std::chrono::floor<std::chrono::microseconds>(now).count()));
}

void notify_stopping() {
  notify("STOPPING=1\nSTATUS=Stopping");
}

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
