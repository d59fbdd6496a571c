#include <sys/stat.h>

#include <iostream>

#include "guest-probe/bpf/pins.h"
#include "guest-probe/commands/commands.h"
#include "userspace/log.h"

namespace katameter::guest {
namespace {

Status detach(const std::string& path) {
  struct stat there {};
  if (stat(path.c_str(), &there) != 0 && errno == ENOENT) return {};
  Result<PinDirectory> pins = PinDirectory::open(path);
  if (!pins && pins.error().code == EWOULDBLOCK) return failure_from(pins.error(), "stop guest-probe first");
  if (!pins) return failure_from(pins.error());
  if (const auto cleared = pins->clear(path); !cleared) return failure_from(cleared.error());
  return pins->remove();
}

}  // namespace

int detach_command(const std::string& pin_directory) {
  const Status status = detach(pin_directory);
  if (!status) {
    log_error("{}", status.error().text);
    return 1;
  }
  std::cout << "nothing of guest-probe is left in " << pin_directory << "\n";
  return 0;
}

}  // namespace katameter::guest
