#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Gives a row the values that it does not have, from an earlier row of the same container.
void complete(wire::Container& row, const wire::Container& last);

/// Containers whose cgroups are gone, with their last values, until the host says that it has them.
/// In cgroup v1 a container goes in several steps, one per hierarchy: what has gone already is added to the living row.
class RemovedContainers {
 public:
  /// `capacity`: containers kept; beyond it the oldest is forgotten and counted.
  explicit RemovedContainers(std::size_t capacity) : capacity_(capacity) {}

  /// Takes the served figures of a record. The container's row, to which this is added, or null where the record is of no
  /// container.
  wire::Container* add(const removed_record& record, const FigureSet& served, bool unified_memory = false);
  /// The path of a container's cgroup, where more of it is known than the record has room for.
  void set_path(const ContainerId& id, const std::string& path);
  /// A container of whose removal there is no record, with the values that it had when it was last met.
  void add(wire::Container last);

  /// The last values of a container that was added and is not forgotten; null if it is not there.
  const wire::Container* find(const ContainerId& id) const;

  /// Completes the living rows and appends the containers that have no living part, marked as removed, those first that
  /// went first and at most `room` of them; they count as reported by snapshot `sequence`.
  void report(std::map<ContainerId, wire::Container>& rows, std::uint64_t sequence, std::size_t room);

  /// The host has the snapshots up to `sequence`: forgets the containers that they reported.
  void acknowledge(std::uint64_t sequence);

  /// The sequences of the records that need not be kept any longer, since the last call.
  std::vector<std::uint64_t> take_done();

  /// Their block devices that found no room.
  std::uint64_t block_devices_left_out() const { return block_devices_left_out_; }
  /// Containers forgotten before they were acknowledged.
  std::uint64_t forgotten() const { return forgotten_; }

 private:
  struct Entry {
    wire::Container row;
    std::uint64_t added = 0;
    std::uint64_t reported = 0;            ///< the first snapshot that had it as removed; 0 = none yet
    std::vector<std::uint64_t> sequences;  ///< of the records that it is made of
  };
  using Entries = std::map<ContainerId, Entry>;

  Entry& entry_for(const ContainerId& id);
  void make_room();
  Entries::iterator forget(Entries::iterator entry);

  std::size_t capacity_;
  Entries entries_;
  std::vector<std::uint64_t> done_;
  std::uint64_t added_ = 0;
  std::uint64_t forgotten_ = 0;
  std::uint64_t block_devices_left_out_ = 0;
};

}  // namespace katameter::guest
