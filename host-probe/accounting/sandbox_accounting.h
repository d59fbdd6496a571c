#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/accounting/cpu.h"
#include "host-probe/processes/process_source.h"

namespace katameter::host {

/// Memory inside a guest as its kernel counts it, in bytes.
struct GuestMemoryReading {
  std::uint64_t total = 0;     // MemTotal: what its kernel keeps for itself from boot on is not in it
  std::uint64_t free = 0;      // MemFree
  std::uint64_t cache = 0;     // page cache, the containers' included
  std::uint64_t workload = 0;  // charged to containers, their page cache included
};

/// Guest RAM that the host holds, by what the guest does with it.
struct GuestRamUse {
  std::uint64_t workload = 0;
  std::uint64_t guest_system = 0;
  std::uint64_t free = 0;      // was used and is not any more: the host still holds it
  std::uint64_t residual = 0;  // the guest does not know of it: its kernel's image, firmware
};

/// The memory account of one sandbox at one moment. The host's total is the sum of SandboxMemory's parts; guest RAM
/// that the host holds is divided once more by what the guest does with it, and that sum is the guest RAM.
struct MemoryAccount {
  std::uint64_t host_total = 0;
  std::uint64_t guest_ram = 0;  // touched pages; private RAM is in the VMM's own memory: then as much as the guest uses

  std::optional<GuestRamUse> by_use;  // absent while the guest does not report it
  /// host_total less what the workload uses; absent with by_use.
  std::optional<std::uint64_t> overhead;
  /// What a balloon could give back to the host: free, and page cache. Absent with by_use.
  std::optional<std::uint64_t> reclaimable;
};

MemoryAccount account_memory(const SandboxMemory& host, const std::optional<GuestMemoryReading>& guest);

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
  std::array<std::uint64_t, cpu_components> cpu_ns{};  // by CpuComponent
  std::uint64_t cpu_total_ns = 0;                      // all of them
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
  /// See CpuAccount::begin().
  void begin(const SandboxProcesses& before) { cpu_.begin(before); }
  /// Adds one collection.
  Account update(const SandboxProcesses& host, const std::optional<GuestReading>& guest);

 private:
  CpuAccount cpu_;
  ContainerShares shares_;
  std::uint64_t last_workload_ns_ = 0;
};

}  // namespace katameter::host
