#pragma once

#include <string>

#include "userspace/wire/container_id.h"

// The pod of these tests and its container.
namespace katameter::host {

inline const std::string pod_hex(64, 'a');
inline const std::string app_hex(64, '1');
inline const ContainerId pod_id = *ContainerId::from_hex(pod_hex);
inline const ContainerId app_id = *ContainerId::from_hex(app_hex);

}  // namespace katameter::host
