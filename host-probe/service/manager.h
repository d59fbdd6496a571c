#pragma once

#include <string>

namespace katameter {

/// What the service manager is told where host-probe is a systemd unit of Type=notify (sd_notify(3)); elsewhere nothing
/// is sent. `status` is the line that `systemctl status` shows.
void tell_ready(const std::string& status);
/// Until the next tell_ready(), `systemctl reload` is under way.
void tell_reloading();
void tell_stopping();

}  // namespace katameter
