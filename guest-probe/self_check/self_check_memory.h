#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/programs.h"
#include "guest-probe/self_check/self_check.h"

namespace katameter {

/// The memory figures of compare().
void compare_memory(const std::optional<memory_record>& memory, const FileFigures& before, const FileFigures& after,
                    MemoryFields& fields, std::vector<Refusal>& refusals);

/// Compares what is read of a container's memory cgroup with its files: those of a moment at which they stood still.
/// Nothing if there was none within some attempts, or the cgroup is gone. Takes no capability.
std::optional<std::vector<Refusal>> compare_living(GuestPrograms& programs, const std::string& directory,
                                                   MemoryFields& fields);

}  // namespace katameter
