#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/account/monotonic_by_cgroup.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What was done on each device (dev_t of the kernel), by IO_*.
using DeviceCounts = std::map<std::uint32_t, std::array<std::uint64_t, IO_COUNTS>>;

/// Block I/O of one container.
struct ContainerIo {
  std::uint64_t cgroup_id = 0;
  DeviceCounts devices;
};

/// The containers of a walk, each with all its devices.
std::vector<ContainerIo> account_io(std::span<const io_record> walk);

/// Whether no flush moved anything between two walks. Only then do the figures of the second belong together.
bool walks_agree(std::span<const io_record> first, std::span<const io_record> second);

/// Puts what a container did into its row; devices on which it did nothing are left out, as io.stat does. The number of
/// those that there was no room for: the numbers after the first wire::max_block_devices.
std::size_t set_io(wire::Container& row, const DeviceCounts& devices);

/// What a removed cgroup did.
DeviceCounts removed_io(const removed_record& removed);

/// Keeps block I/O from falling. A removed cgroup's devices are unlinked before what the CPUs counted for them is handed
/// up, and before 6.2 (3b8cc6298724) cgroup v2 forgets it.
class IoCounters {
 public:
  void begin() { counters_.begin(); }
  void raise(ContainerIo& io);
  void raise_removed(std::uint64_t cgroup_id, removed_record& removed) const;

 private:
  struct Key {
    std::uint64_t cgroup_id;
    std::uint32_t device;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const { return key.cgroup_id * 31 + key.device; }
  };
  MonotonicByCgroup<IO_COUNTS, Key, Hash> counters_;
};

/// The volumes of the pod, each device and each mount point of a tmpfs once; those whose mount points the host would not
/// take are left out.
std::vector<wire::Volume> account_volumes(std::span<const volume_record> records);

/// Puts into a row what its container has asked of virtiofs: those of the figures that are served.
void set_virtiofs(wire::Container& row, const virtiofs_sums& sums, const FigureSet& served);

}  // namespace katameter::guest
