#pragma once

#include <map>
#include <string>
#include <vector>

#include "host-probe/top/exposition_text.h"

namespace katameter {

/// CPU time in CPUs (1.0: one CPU all the time), memory in bytes; what is not known is absent.
struct ContainerRow {
  std::string id;
  std::string name;                       // the container's, or the beginning of its id
  std::map<std::string, double> figures;  // cpu, host_cpu, memory, working_set
};

struct SandboxRow {
  std::string id;
  std::string pod;  // namespace/pod; empty if it is not known
  bool guest_up = false;
  std::map<std::string, double> cpu;     // by component, and total, overhead, steal
  std::map<std::string, double> memory;  // by component, and total, workload, overhead, reclaimable
  std::vector<ContainerRow> containers;
};

/// The sandboxes of an exposition; rates are what counters grew by since `earlier`, `seconds` ago.
std::vector<SandboxRow> sandbox_rows(const std::vector<TextSeries>& earlier, const std::vector<TextSeries>& now,
                                     double seconds);

/// For people, cut to `width` columns if that is not 0; with `containers` their rows below each sandbox.
std::string sandbox_table(const std::vector<SandboxRow>& rows, bool containers, std::size_t width = 0);
/// An object with one entry in `sandboxes` for each.
std::string sandbox_json(const std::vector<SandboxRow>& rows);

}  // namespace katameter
