#include "guest-probe/greeting.h"

#include <fmt/core.h>
#include <sys/utsname.h>
#include <time.h>

#include <fstream>

namespace katameter {

wire::Hello make_hello(const GuestProbe& probe) {
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> hello.boot_id;
  utsname system{};
  if (uname(&system) == 0) hello.kernel = system.release;
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  hello.instance = fmt::format("{}.{:09}", now.tv_sec, now.tv_nsec);
  hello.lacks = probe.plan.lacks();
  for (const Refusal& refusal : probe.refusals) hello.lacks.push_back(refusal.figure);
  return hello;
}

}  // namespace katameter
