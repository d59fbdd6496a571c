#pragma once

#include <span>

#include "bpf/guest/records.h"

namespace katameter::guest {

/// Whether a walk met every cgroup that there is below each container, those included that are removed and not gone yet.
/// One that is just being taken out of the tree is missing before its time has reached its parent.
bool is_complete(std::span<const unified_record> containers);

/// Whether nothing was flushed from the first walk to the second. Only then do the figures of the second belong
/// together.
bool walks_agree(std::span<const unified_record> first, std::span<const unified_record> second);

}  // namespace katameter::guest
