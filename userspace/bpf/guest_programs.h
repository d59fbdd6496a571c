#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "bpf/records.h"
#include "userspace/bpf/guest_plan.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Which cgroup hierarchy a walk goes through.
enum class Hierarchy : std::uint64_t {
  cpuacct = WALK_CPUACCT,
  memory = WALK_MEMORY,
  cpu = WALK_CPU,
  pids = WALK_PIDS,
  unified = WALK_UNIFIED,
};

/// The records of one walk, parents first. They stay valid until the next walk of the same kind.
template <typename Record>
struct Walk {
  std::span<const Record> records;
  std::size_t visited = 0;  ///< cgroups there were; more than records.size() where the map was too small
};

/// The guest's BPF programs, loaded and attached; they go when it goes. Holds descriptors and mappings only:
/// libbpf's copies are given back as soon as all is attached.
class GuestPrograms {
 public:
  /// Loads what the plan has. `capacity`: cgroups that a walk can hold; the maps take some 700 bytes for each.
  static Result<GuestPrograms> load(const GuestPlan& plan, std::size_t capacity);

  /// Each of these is one system call and copies nothing.
  Result<Walk<cpu_record>> walk_cpu(Hierarchy hierarchy = Hierarchy::cpuacct);
  Result<Walk<unified_record>> walk_unified();
  Result<Walk<memory_record>> walk_memory();

  /// The names of a hierarchy's cgroups, parents first. Copies: names take much room and are seldom asked for, so the
  /// map is not kept mapped.
  Result<std::vector<name_record>> walk_names(Hierarchy hierarchy);

  /// Makes sure that the per-CPU counters of `cpu` are read; false while it is not online.
  Result<bool> learn_cpu(int cpu);

  /// Whether this kernel keeps a figure of memory.stat (STAT_*) where it can be read.
  bool has_stat(int stat) const { return (stats_found_ >> stat & 1) != 0; }

  /// Counters that BPF keeps, read through a mapping: no system call.
  const volatile guest_status& status() const;

  /// Takes the removed cgroups out of the kernel's map; asks the kernel only if there are new ones.
  Result<std::vector<removed_record>> take_removed();

  /// Readable when an OOM event waits; nothing (get() < 0) if the plan has no events.
  const Fd& oom_events() const { return oom_events_; }
  /// Hands every waiting event to `consumer`.
  Status read_oom_events(const std::function<void(const oom_record&)>& consumer);

 private:
  struct Program {
    Fd program;
    Fd map;
    Mapping records;
    std::size_t capacity = 0;
  };

  GuestPrograms() = default;
  template <typename Record>
  static Result<Walk<Record>> walk(Program& program, std::span<const std::uint64_t> arguments);

  Program cpu_;
  Program unified_;
  Program memory_;
  Program names_;
  Fd learn_cpu_offset_;
  Fd removed_;
  Fd oom_events_;
  Fd removal_link_;
  Fd victim_link_;
  Mapping status_;
  std::uint64_t removals_taken_ = 0;
  std::uint32_t stats_found_ = 0;
};

}  // namespace katameter
