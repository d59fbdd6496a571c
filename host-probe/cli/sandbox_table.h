#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "userspace/result.h"

// The document of /api/sandboxes (docs/api.md) as `top` shows it.
namespace katameter::host {

/// The document; an error if the text is not one, or one of another version. Its sandboxes and containers are objects,
/// what is in them is not checked.
Result<nlohmann::json> parse_sandboxes(const std::string& text);

/// Gives each sandbox and container of `now` an object `per_second`: what its counters, whose names end in _total, grew
/// by since `earlier`, an older document of the same host-probe. Of a counter that is new or has fallen, which is a
/// restart, there is no rate. A CPU time per second is a number of CPUs.
void add_rates(nlohmann::json& now, const nlohmann::json& earlier);

/// Highest first, sandboxes without the value last; those that are equal by name.
enum class SandboxOrder {
  cpu,
  memory,
  overhead,  // CPU time beyond the workload, then memory beyond it
  name,
};

/// Sorts the sandboxes, and keeps those only that have `filter` in `namespace/pod` or in their id, whatever the case.
void select_sandboxes(nlohmann::json& document, SandboxOrder order, const std::string& filter);

/// 0: no limit.
struct TableSize {
  std::size_t columns = 0;
  std::size_t lines = 0;
};

/// For people: CPU in per cent of one CPU, memory in MiB, a value that is not known as `-`. With `containers` their lines
/// below each sandbox. Lines beyond the size are left out, and the last one says how many sandboxes are.
std::string sandbox_table(const nlohmann::json& document, bool containers, TableSize size = {});

}  // namespace katameter::host
