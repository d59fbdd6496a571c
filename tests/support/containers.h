#pragma once

#include <cstdint>
#include <string>

#include "userspace/wire/messages.h"

namespace katameter::testing {

/// The id of 64 times this hex digit.
inline ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

}  // namespace katameter::testing

namespace katameter::host::testing {

using katameter::testing::id_of;

/// A container as a guest reports it, with nothing but these values.
inline wire::Container container(char digit, std::uint64_t cpu_ns, wire::Figure oom_kills = 0, bool removed = false) {
  wire::Container made;
  made.id = id_of(digit);
  made.removed = removed;
  made.cpu_usage_ns = cpu_ns;
  made.oom_kills = oom_kills;
  return made;
}

}  // namespace katameter::host::testing
