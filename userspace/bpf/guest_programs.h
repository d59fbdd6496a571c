#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bpf/records.h"
#include "bpf/sched_record.h"
#include "bpf/task_record.h"
#include "userspace/bpf/doorbell.h"
#include "userspace/bpf/guest_plan.h"
#include "userspace/bpf/kept_progress.h"
#include "userspace/bpf/on_request.h"
#include "userspace/bpf/pin_directory.h"
#include "userspace/bpf/record_window.h"
#include "userspace/bpf/skipped_runs.h"
#include "userspace/bpf/stat_tables.h"
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
  io = WALK_IO,
};

/// The records of one walk, parents first. They stay valid until the next walk of the same kind.
template <typename Record>
struct Walk {
  std::span<const Record> records;
  std::size_t visited = 0;  ///< cgroups there were; more than records.size() where the map was too small
};

/// For tests: what the kernel is made to refuse. Names are those of the BPF object, without task_form.
struct LoadFaults {
  std::set<std::string, std::less<>> load;    ///< programs that no verifier takes
  std::set<std::string, std::less<>> attach;  ///< programs that load and cannot be attached
  bool direct_reads = false;                  ///< every walk that reads by loads
  bool map_iterators = false;                 ///< every iterator over a map
};

struct LoadOptions {
  bool explain = false;  ///< of a program that is refused, also the instructions before; takes a load more
  LoadFaults faults;
};

/// The guest's BPF programs, loaded and attached. Holds descriptors and mappings only: libbpf's copies are given back
/// as soon as all is attached.
class GuestPrograms {
 public:
  /// Loads what the plan has. `capacity`: cgroups that a walk can hold; the maps take some 700 bytes for each.
  ///
  /// With `pins`, goes on with what an earlier load has kept there, and what is attached stays attached when this
  /// object goes; the methods below then take no capability and make no bpf() call. Without, all goes with it.
  ///
  /// What the kernel refuses is left out with what hangs on it (take_plan() has the rest); an error if nothing works
  /// without it.
  static Result<GuestPrograms> load(const GuestPlan& plan, std::size_t capacity, const PinDirectory* pins = nullptr,
                                    const LoadOptions& options = {});

  /// The names of all programs there are in the BPF object, loaded or not.
  static Result<std::vector<std::string>> names();

  /// The plan less what the kernel refused; once.
  GuestPlan take_plan() { return std::exchange(plan_, {}); }

  /// Each of these copies nothing.
  Result<Walk<cpu_record>> walk_cpu(Hierarchy hierarchy = Hierarchy::cpuacct);
  Result<Walk<unified_record>> walk_unified();
  Result<Walk<memory_record>> walk_memory();
  /// Block I/O as the last walk_memory() found it: a record for each device of a cgroup.
  Result<Walk<io_record>> walked_io();
  Result<Walk<pressure_record>> walk_pressure();

  /// The names of a hierarchy's cgroups, parents first. Copies: names take much room and are seldom asked for, so the
  /// map is not kept mapped.
  Result<std::vector<name_record>> walk_names(Hierarchy hierarchy);

  /// Goes through the tasks of the guest (bpf/guest_tasks.bpf.c). Four system calls and one for each 400 records.
  Status walk_tasks(const std::function<void(const task_record&)>& consumer);
  /// The sums that walk_tasks() has added to, one record a cgroup; nothing if the plan has none. As many.
  Status walk_sched_sums(const std::function<void(const sched_record&)>& consumer);

  /// Gives back what the kernel holds between two walks. Call when a snapshot is made.
  void rest();

  /// Whether this kernel keeps a figure of memory.stat (STAT_*) where it can be read.
  bool has_stat(int stat) const { return (stats_found_ >> stat & 1) != 0; }

  /// With which those of them are found that has_stat() does not have (guest-probe/self_check/stat_learning.h); at start, once.
  std::optional<StatTables> take_stat_tables() { return std::exchange(stat_tables_, std::nullopt); }
  void learned_stat(int stat) { stats_found_ |= 1u << stat; }

  /// What all of its maps take of the kernel's memory, bytes: the sum of "memlock" in their /proc/self/fdinfo.
  std::uint64_t kernel_bytes() const { return kernel_bytes_; }

  /// Runs of a hook's programs that the kernel skipped since this load, as SkippedRuns::of().
  std::optional<std::uint64_t> misses(Hook hook) const { return skipped_.of(hook); }

  /// Stalls of tasks in direct reclaim that a full map of bpf/guest_stalls.bpf.c kept from being counted.
  std::uint64_t stalls_lost() const { return status().stalls_lost; }
  /// Devices of removed cgroups that were not kept: there was no room.
  std::uint64_t io_lost() const { return status().io_lost; }

  /// How far the rings below were read; no system call, like all that changes it.
  const progress& kept() const { return kept_.get(); }
  /// Counts a snapshot; its sequence.
  std::uint64_t next_snapshot();

  /// The removed cgroups that were not taken before; the first time also those taken before an earlier guest-probe
  /// ended and not settled by it. Two system calls if there are any.
  Result<std::vector<removed_record>> take_removed();
  /// The host has these; `cpu_ns` of CPU time goes into the total of removed containers with them.
  void settle_removed(std::span<const std::uint64_t> sequences, std::uint64_t cpu_ns);

  /// Readable when an OOM event was noted since the last look; nothing (get() < 0) if the plan has no events.
  const Fd& oom_bell() const { return oom_bell_.fd(); }
  /// The OOM events that the host does not have, after `sequence`. Two system calls if there are any.
  Result<std::vector<oom_record>> oom_events_after(std::uint64_t sequence);
  /// The host has the OOM events up to `sequence`.
  void settle_oom_events(std::uint64_t sequence);

 private:
  friend class GuestLoader;

  struct Walker {
    OnRequest program;
    RecordWindow records;
  };

  GuestPrograms() = default;
  template <typename Record>
  Result<Walk<Record>> walk(Walker& walker, Hierarchy hierarchy, std::uint32_t* rest = nullptr);
  const volatile guest_status& status() const {
    return *reinterpret_cast<const volatile guest_status*>(status_.data());
  }

  std::unique_ptr<Turns> turns_;
  Walker cpu_;
  Walker unified_;
  Walker memory_;
  Walker names_;
  Walker pressure_;
  RecordWindow io_;
  std::uint32_t io_walked_ = 0;  // as walk_io() in bpf/io_walk.bpf.h gives it
  OnRequest tasks_;
  std::optional<OnRequest> sched_sums_;
  Mapping status_;
  KeptProgress kept_;
  Fd removed_;
  Fd oom_events_;
  Doorbell oom_bell_;
  GuestPlan plan_;
  SkippedRuns skipped_;
  std::vector<Fd> hooks_;  // links; none where they are pinned
  std::uint64_t kernel_bytes_ = 0;
  std::uint32_t stats_found_ = 0;
  std::optional<StatTables> stat_tables_;
  bool replayed_ = false;
};

}  // namespace katameter
