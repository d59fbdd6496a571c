#pragma once

#include <cstdint>

#include "bpf/guest/records.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What cAdvisor gives out as shares where there is a cpu.weight (cgroup v2).
std::uint64_t shares_of_weight(std::uint64_t weight);

/// Puts what a record holds into a container's row, as far as it is served, and leaves the row's other figures as they
/// are.
void set_cpu(wire::Container& row, const cpu_record& record, const FigureSet& served);

}  // namespace katameter::guest
