#pragma once

#include <cstdint>
#include <optional>

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

}  // namespace katameter::host
