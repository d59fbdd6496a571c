#pragma once

#include <string_view>

#include "host-probe/exposition/families.h"
#include "host-probe/names/sandbox_names.h"

namespace katameter {

/// The six labels that kubelet's cAdvisor gives a container, `id`, `name`, `image`, `namespace`, `pod` and `container`,
/// each empty while it is unknown. `name` is the container's id; `id` is `/kata/<sandbox>/<container>`, since there is
/// no cgroup on the host to name and the guest's path is the guest's word. The pause container, whose id is the
/// sandbox's, stands for the pod and has no name. `sandbox_hex` is sandbox.hex(); `names` may be null.
Labels container_labels(const ContainerId& sandbox, std::string_view sandbox_hex, const ContainerId& container,
                        const SandboxNames* names);

}  // namespace katameter
