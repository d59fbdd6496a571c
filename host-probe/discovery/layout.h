#pragma once

#include <array>
#include <string>
#include <string_view>

#include "userspace/wire/container_id.h"

namespace katameter {

/// Where one kind of runtime and hypervisor keeps its sandboxes: `<run root>/<root>/<sandbox id>/<socket>`, the socket
/// being the hybrid vsock. A new kind is a new row.
struct Layout {
  std::string_view root;
  std::string_view socket;
  std::string_view hypervisor;
};

inline constexpr std::array<Layout, 1> layouts{{
    {"vc/vm", "clh.sock", "cloud-hypervisor"},  // Go runtime
}};

/// A sandbox that was found.
struct SandboxPlace {
  ContainerId id;
  std::string directory;  // holds the socket; a symbolic link is not resolved
  std::string socket;     // file name
  std::string hypervisor;
};

}  // namespace katameter
