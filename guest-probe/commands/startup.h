#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "guest-probe/collect/collector.h"
#include "guest-probe/self_check/self_check.h"
#include "userspace/bpf/guest_plan.h"
#include "userspace/bpf/guest_programs.h"
#include "userspace/result.h"

namespace katameter {

/// Everything that is loaded and checked before the first snapshot.
struct GuestProbe {
  GuestPlan plan;
  ServedFigures served;
  std::vector<Refusal> refusals;
  std::string check_failure;                 ///< why the self-check could not be made; empty = it was made
  std::vector<std::string> sources_lacking;  ///< as GuestSources::lacks()
  std::string pin_failure;                   ///< why nothing survives guest-probe; empty = it does, or was not to
  PinDirectory pins;                         ///< held as long as this guest-probe runs
  std::unique_ptr<GuestPrograms> programs;
  std::unique_ptr<Collector> collector;
};

/// Looks at the kernel, plans, loads, attaches and checks. An error if nothing works; what works in part is in the
/// result. `containers`: how many get a row of their own; `schedstat`: as in plan_guest().
/// `pin_directory`: PinDirectory; empty = nothing is kept when the programs go. Where it cannot be had, guest-probe
/// works without, and says so; but one that another guest-probe holds is an error. ENOSYS: this kernel gives no figure
/// at all, now or later.
Result<GuestProbe> start_guest_probe(std::size_t containers, const std::string& pin_directory = "",
                                     bool schedstat = false);

/// What is missing and what is lost, one line each; empty if everything is there.
std::vector<std::string> describe_lacks(const GuestProbe& probe);

}  // namespace katameter
