#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "guest-probe/bpf/plan.h"
#include "guest-probe/bpf/programs.h"
#include "guest-probe/collect/collector.h"
#include "guest-probe/self_check/self_check.h"
#include "guest-probe/self_check/stat_indices.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Everything that is loaded and checked before the first snapshot.
struct GuestProbe {
  GuestPlan plan;
  ServedFigures served;
  std::vector<Mismatch> mismatches;          ///< those of the start; mismatches_of() has all
  std::string check_failure;                 ///< why the self-check could not be made; empty = it was made
  std::vector<std::string> missing_sources;  ///< as GuestSources::missing()
  std::string pin_failure;                   ///< why nothing survives guest-probe; empty = it does, or was not to
  PinDirectory pins;                         ///< held as long as this guest-probe runs
  std::unique_ptr<GuestPrograms> programs;
  std::unique_ptr<StatIndexResolver> resolver;
  std::unique_ptr<Collector> collector;
};

/// Looks at the kernel, plans, loads, attaches and checks. An error if nothing works; what works in part is in the
/// result. `containers`: how many get a row of their own; `wanted`: as in plan_guest().
/// `pin_directory`: PinDirectory; empty = nothing is kept when the programs go. Where it cannot be had, guest-probe
/// works without, and says so; but one that another guest-probe holds is an error. ENOSYS: this kernel gives no figure
/// at all, now or later.
Result<GuestProbe> start_guest_probe(std::size_t containers, const std::string& pin_directory = "",
                                     const Wanted& wanted = {}, const LoadOptions& options = {});

/// What is reported while the memory figures have not been compared with files: that waits for a container.
inline constexpr const char* compares_later_text =
    "the memory figures are compared with the kernel's files when a container runs: the memory controller was not "
    "enabled below the root, or no cgroup could be made, when guest-probe started";

/// The figures that are not served now: some are resolved later.
std::vector<Mismatch> mismatches_of(const GuestProbe& probe);

/// What this guest does not report now, each as one name: for the Hello.
std::vector<std::string> missing_features_of(const GuestProbe& probe);

/// What is missing and what is lost, one line each; empty if everything is there.
std::vector<std::string> describe_missing(const GuestProbe& probe);

/// Who this guest is, and what it does not report.
wire::Hello make_hello(const GuestProbe& probe);

}  // namespace katameter::guest
