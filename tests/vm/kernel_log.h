#pragma once

#include <string>
#include <vector>

#include "userspace/fd.h"

namespace katameter::guest {

/// What the kernel itself says of an OOM kill: the line that begins with "oom-kill:" (mm/oom_kill.c,
/// dump_oom_summary). It is rate-limited: ten in five seconds.
struct LoggedKill {
  std::string constraint;   ///< "CONSTRAINT_MEMCG", "CONSTRAINT_NONE" ...
  std::string oom_memcg;    ///< the cgroup at its limit; empty if the whole machine was out of memory
  std::string task_memcg;   ///< the victim's
  unsigned victim_pid = 0;  ///< its thread group
};

/// The kernel's log from the moment of construction on.
class KernelLog {
 public:
  KernelLog();
  /// What has been logged since the last call.
  std::vector<LoggedKill> take_kills();

 private:
  Fd log_;
};

}  // namespace katameter::guest
