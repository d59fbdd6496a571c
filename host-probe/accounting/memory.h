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

/// The memory account of one sandbox at one moment. The components sum to the host's total; guest RAM that the host
/// holds is divided once more by what the guest does with it, and that sum is the guest RAM.
struct MemoryAccount {
  /// As the host's processes have it, with private guest RAM taken out of the VMM's memory (MemoryAccounting).
  SandboxMemory by_component;
  std::optional<GuestRamUse> by_use;  // absent while the guest does not report it
  /// The total less what the workload uses; absent with by_use.
  std::optional<std::uint64_t> overhead;
  /// What a balloon could give back to the host: free, and page cache. Absent with by_use.
  std::optional<std::uint64_t> reclaimable;
  /// What the kernel charges to the sandbox's own cgroups less the total; absent where it has none.
  std::optional<std::int64_t> unaccounted;

  /// What the host holds for the sandbox.
  std::uint64_t host_total() const { return by_component.total(); }
};

/// The memory of one sandbox over all collections.
///
/// Guest RAM that is not a file (QEMU's memory-backend-ram, Firecracker) is in the VMM's anonymous memory, where
/// nothing on the host distinguishes it from the VMM's own. What the guest has been seen to use is RAM that it has
/// touched, and that stays with it; where the VMM has as much memory as the guest has in all (VFIO, preallocated), all
/// of it is. The rest counts as the VMM's own: RAM that was used and freed between two collections is in it. A sandbox
/// whose guest has never answered has all of it in component vmm.
class MemoryAccounting {
 public:
  /// Adds one collection. `guest`: its answer to this collection, or nothing.
  MemoryAccount update(const SandboxMemory& host, const std::optional<GuestMemoryReading>& guest);

 private:
  void separate_private_ram(SandboxMemory& memory) const;

  std::uint64_t most_used_ = 0;    // of all that the guest reported
  std::uint64_t guest_total_ = 0;  // MemTotal, as last reported
};

}  // namespace katameter::host
