#pragma once

#include <string>
#include <vector>

#include "userspace/bpf/guest_programs.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Notices CPUs that came online since the last look and has their counters read. Kata hotplugs vCPUs.
class OnlineCpus {
 public:
  explicit OnlineCpus(int possible);

  /// One pread() while nothing has changed.
  Status refresh(GuestPrograms& programs);

 private:
  Fd file_;             // /sys/devices/system/cpu/online, kept open; not there without sysfs
  std::string online_;  // what it said last
  std::vector<bool> learned_;
};

}  // namespace katameter
