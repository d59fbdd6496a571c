#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "host-probe/trust/drop_reason.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// A guest cannot have used more CPU time than the host gave its vCPUs. What they waited for a host CPU is given, too:
/// a guest counts it as its own (measured: guest usage = vCPU time + run-queue wait to about 1 %). Both are compared by
/// what they rose since they were first seen together, for a guest's counters begin at its boot. One for each thing that
/// is claimed. Pure.
class CpuClaim {
 public:
  /// A guest's figures are up to a collection older than the host's, so that the first comparison may lack what its
  /// vCPUs got meanwhile, at most as many at once as the host has CPUs. Beside it two seconds for figures that a
  /// kernel brings up to date late, and a tenth for the guest's clock, which is not the host's.
  CpuClaim(unsigned host_cpus, std::chrono::nanoseconds collection)
      : slack_ns_(2'000'000'000 + host_cpus * static_cast<std::uint64_t>(collection.count())) {}

  /// `boot`: counts the guest's boots, with each of which its counters begin anew. `given_ns`: CPU time of the vCPU
  /// threads and their wait for it, of the sandbox's whole life.
  std::optional<Drop> check(std::uint64_t boot, std::uint64_t claimed_ns, std::uint64_t given_ns);

 private:
  struct Begin {
    std::uint64_t boot;
    std::uint64_t claimed_ns;
    std::uint64_t given_ns;
  };

  std::uint64_t slack_ns_;
  std::optional<Begin> begin_;
};

/// What the guest says that was used: the largest of its own total, its workload, those without a row and any one
/// container, none of which can be more than the total. Nothing if it says none. Their sum: claimed_sum.h.
std::optional<std::uint64_t> claimed_cpu_ns(const wire::Guest& guest, const std::vector<wire::Container>& containers);

}  // namespace katameter
