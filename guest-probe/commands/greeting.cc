#include "guest-probe/commands/greeting.h"

#include <sys/utsname.h>

#include <algorithm>
#include <fstream>

#include "userspace/wire/codec.h"

namespace katameter::guest {

wire::Hello make_hello(const GuestProbe& probe) {
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> hello.boot_id;
  utsname system{};
  if (uname(&system) == 0) hello.kernel = system.release;
  hello.instance = std::to_string(probe.programs->state().instance_ns);
  hello.lacks = lacks_of(probe);
  // A host takes no more.
  hello.lacks.resize(std::min(hello.lacks.size(), wire::Limits{}.lacks));
  return hello;
}

}  // namespace katameter::guest
