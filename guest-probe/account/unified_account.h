#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bpf/records.h"

namespace katameter {

/// The walk of cgroup v2 with the CPU time of each cgroup and all below it: what is flushed and what is pending, less
/// what those below have handed up already. The root's time stays what cpuacct says of it, for v2 counts none there.
std::vector<cpu_record> sum_unified(std::span<const unified_record> walk);

/// Whether a walk met every cgroup there is, those included that are removed and not gone yet. `visited`: how many it
/// came by. One that is just being taken out of the tree is missing before its time has reached its parent.
bool is_complete(std::span<const unified_record> walk, std::size_t visited);

/// Whether nothing was flushed from the first walk to the second. Only then do the figures of the second belong
/// together.
bool walks_agree(std::span<const unified_record> first, std::span<const unified_record> second);

}  // namespace katameter
