#pragma once

#include <cstdint>
#include <span>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Runs a raw_tp program once by BPF_PROG_TEST_RUN, on this CPU and under rcu_read_lock(), with `arguments` (at most
/// 12) as its args[]; the program's return value. The kernel answers EPERM to a task that may not use BPF.
Result<std::uint32_t> test_run(const Fd& program, std::span<const std::uint64_t> arguments = {});

/// The same on a given CPU; ENXIO while that CPU is not online.
Result<std::uint32_t> test_run_on_cpu(const Fd& program, int cpu);

}  // namespace katameter
