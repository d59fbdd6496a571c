#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "guest-probe/account/cpu_account.h"
#include "guest-probe/account/io_account.h"
#include "guest-probe/account/memory_account.h"
#include "guest-probe/account/pressure_account.h"
#include "userspace/bpf/guest_programs.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Records that need not be kept any longer.
struct SettledRemovals {
  std::vector<std::uint64_t> sequences;
  std::uint64_t cpu_usage_ns = 0;  ///< CPU time of the containers among them
};

/// Containers whose cgroups are gone, with their last values, until the host says that it has them.
/// In cgroup v1 a container goes in several steps, one per hierarchy: what has gone already is added to the living row.
class RemovedContainers {
 public:
  /// `capacity`: containers kept; beyond it the oldest is forgotten and counted.
  explicit RemovedContainers(std::size_t capacity) : capacity_(capacity) {}

  void add(const removed_record& record, const MemoryFields& memory_fields, const CpuFields& cpu_fields = {},
           const PressureFields& pressure_fields = {});

  /// Completes the living rows and appends the containers that have no living part, marked as removed; those count as
  /// reported by snapshot `sequence`.
  void report(std::map<ContainerId, wire::Container>& rows, std::uint64_t sequence);

  /// The host has the snapshots up to `sequence`: forgets the containers that they reported.
  void acknowledge(std::uint64_t sequence);

  /// What was forgotten since the last call, and what was never a container's.
  SettledRemovals take_settled();

  /// CPU time of the containers that are not settled, ns.
  std::uint64_t cpu_usage_ns() const;
  /// Their block devices that found no room.
  std::uint64_t block_devices_left_out() const { return block_devices_left_out_; }
  /// Containers forgotten before they were acknowledged.
  std::uint64_t forgotten() const { return forgotten_; }

 private:
  struct Entry {
    wire::Container row;
    std::uint64_t added = 0;
    std::uint64_t reported = 0;  ///< the first snapshot that had it as removed; 0 = none yet
    std::uint64_t cpu_usage_ns = 0;
    std::vector<std::uint64_t> sequences;  ///< of the records that it is made of
  };
  struct NestedKills {
    std::uint64_t kills = 0;
    std::vector<std::uint64_t> sequences;
  };
  using Entries = std::map<ContainerId, Entry>;

  void add_nested(const ContainerId& id, const removed_record& record, const MemoryFields& memory_fields);
  Entry& entry_for(const ContainerId& id);
  void make_room();
  Entries::iterator forget(Entries::iterator entry);

  std::size_t capacity_;
  Entries entries_;
  std::unordered_map<ContainerId, NestedKills> nested_kills_;
  SettledRemovals settled_;
  std::uint64_t added_ = 0;
  std::uint64_t forgotten_ = 0;
  std::uint64_t block_devices_left_out_ = 0;
};

}  // namespace katameter
