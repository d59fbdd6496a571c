#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/accounting/cpu.h"
#include "host-probe/accounting/memory.h"
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
};

/// CPU and memory of one sandbox as one collection found them: plain data.
struct Account {
  CpuByComponent cpu_ns{};
  std::uint64_t cpu_total_ns = 0;  // all of them
  std::uint64_t cpu_overhead_ns = 0;
  std::uint64_t steal_ns = 0;
  bool guest_known = false;  // the guest has answered at least once: overhead and steal mean something
  bool divided = false;      // this step's vCPU time was divided by what the guest reported
  std::map<ContainerId, std::uint64_t> container_cpu_ns;  // of the host's, by container; empty without a reading
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
  void update_ended(const SandboxProcesses& host) { cpu_.update(host, std::nullopt, true); }
  /// See CpuAccount::take_gained().
  CpuByComponent take_gained_cpu() { return cpu_.take_gained(); }
  /// As in the last Account that had a reading.
  const std::map<ContainerId, std::uint64_t>& container_cpu_ns() const { return shares_.host_cpu_ns(); }

 private:
  CpuAccount cpu_;
  ContainerShares shares_;
  MemoryAccounting memory_;
  std::uint64_t last_workload_ns_ = 0;
  SandboxProcesses before_;
};

}  // namespace katameter::host
