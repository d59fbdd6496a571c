#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/accounting/cpu.h"
#include "host-probe/accounting/memory.h"
#include "host-probe/accounting/shared_costs.h"
#include "host-probe/processes/process_source.h"

namespace katameter::host {

/// What the accounting takes of a guest's values, once they are believed.
struct GuestReading {
  /// They answer an earlier collection: those of the host's processes are of another moment, so that the two cannot be
  /// divided by each other. The step is guest_silent, as without an answer.
  bool late = false;
  std::optional<GuestCpuReading> cpu;
  std::optional<GuestMemoryReading> memory;
  const std::vector<wire::Container>* containers = nullptr;  // never null; must live as long as the reading
  const wire::Guest* guest_wide = nullptr;                   // as CostSharing::Reading has it
};

/// CPU and memory of one sandbox as one collection found them: plain data.
struct Account {
  CpuByComponent cpu_ns{};
  std::uint64_t cpu_total_ns = 0;  // all of them
  std::uint64_t cpu_overhead_ns = 0;
  std::uint64_t steal_ns = 0;
  bool guest_known = false;  // the guest has answered at least once: overhead and steal mean something
  bool divided = false;      // this step's vCPU time was divided by what the guest reported
  std::map<ContainerId, SharedCosts> container_costs;  // empty without a reading
  SharedCosts unattributed_costs{};                    // what no container has, those that have ended included
  MemoryAccount memory;
};

/// The accounting of one sandbox over all collections: its components sum to the host's total.
class SandboxAccounting {
 public:
  /// What the processes had used before counting begins; without it, counting begins at their start.
  void begin(const SandboxProcesses& before);
  /// The processes with their counters less what they were at begin(). Of threads and processes that had ended by then
  /// the kernel keeps only a part: a counter that includes it would fall a little when host-probe starts again, which
  /// for Prometheus is a reset that adds the whole value once more.
  SandboxProcesses since_begin(SandboxProcesses host) const;
  /// Adds one collection.
  Account update(const SandboxProcesses& host, const std::optional<GuestReading>& guest);
  /// The same of a sandbox that has ended: its guest is not waited for any more.
  void update_ended(const SandboxProcesses& host);
  /// See CpuAccount::take_gained().
  CpuByComponent take_gained_cpu() { return cpu_.take_gained(); }
  /// As in the last Account that had a reading.
  const std::map<ContainerId, SharedCosts>& container_costs() const { return costs_.of_containers(); }

 private:
  SharedCosts shared_costs_of(const SandboxProcesses& host) const;

  CpuAccount cpu_;
  CostSharing costs_;
  MemoryAccounting memory_;
  SandboxProcesses before_;
};

}  // namespace katameter::host
