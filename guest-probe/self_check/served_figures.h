#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "guest-probe/bpf/programs.h"
#include "userspace/figures/figure.h"

namespace katameter::guest {

/// Which figures are served, what the plan has less what the self-check refused, and how they are read.
struct ServedFigures {
  FigureSet figures;
  bool memory = false;                             ///< memory cgroups are walked
  bool unified_memory = false;                     ///< they are those of cgroup v2
  std::vector<Hierarchy> cpu_walks;                ///< those that have cpuacct, cpu or pids: each once
  bool cpu_times_scaled = false;                   ///< ShownTimes
  bool io = false;                                 ///< block I/O
  bool io_among_memory = false;                    ///< its controller is in the hierarchy of the memory controller's
  Hierarchy tasks_hierarchy = Hierarchy::cpuacct;  ///< in which tasks and start times are looked up

  bool has(std::size_t figure) const { return figures.has(figure); }
  bool has(FigureGroup group) const { return figures.has(group); }
};

/// A figure that BPF reads otherwise than the file shows it, and so is not served.
struct Refusal {
  std::string figure;
  std::string text;     ///< both values
  bool absent = false;  ///< the kernel itself does not have it: nothing is wrong
  std::string remedy = "report this kernel and its configuration to us";
};

}  // namespace katameter::guest
