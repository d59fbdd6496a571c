#pragma once

#include <string>

namespace katameter::host {

/// Notifications of the service manager where host-probe is a systemd unit of Type=notify (sd_notify(3)); elsewhere nothing
/// is sent. `status` is the line that `systemctl status` shows.
void notify_ready(const std::string& status);
/// Until the next notify_ready(), `systemctl reload` is under way.
void notify_reloading();
void notify_stopping();

}  // namespace katameter::host
