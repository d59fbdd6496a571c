#include "guest-probe/commands/greeting.h"

#include <sys/utsname.h>

#include <fstream>

namespace katameter {

wire::Hello make_hello(const GuestProbe& probe) {
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> hello.boot_id;
  utsname system{};
  if (uname(&system) == 0) hello.kernel = system.release;
  hello.instance = std::to_string(probe.programs->kept().instance_ns);
  hello.lacks = probe.plan.lacks();
  for (const Refusal& refusal : probe.refusals) hello.lacks.push_back(refusal.figure);
  if (!probe.check_failure.empty()) hello.lacks.emplace_back("the comparison with the kernel's files");
  return hello;
}

}  // namespace katameter
