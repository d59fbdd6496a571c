#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/iterator.h"
#include "guest-probe/bpf/maps.h"
#include "guest-probe/bpf/pins.h"
#include "guest-probe/bpf/plan.h"
#include "guest-probe/bpf/progress.h"
#include "guest-probe/bpf/stat_tables.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

/// What programs are attached to.
enum class Hook : std::size_t {
  cgroup_rmdir,
  cgroup_mkdir,
  mark_victim,
  reclaim,
  cpuhp_enter,
  sched_process_free,
  fuse_request
};
inline constexpr std::size_t hooks = 7;

/// "recursion_misses" in the text of a program's fdinfo (kernel/bpf/syscall.c, bpf_prog_show_fdinfo()); nothing where the
/// kernel does not count them (before 5.12).
std::optional<std::uint64_t> parse_misses(std::string_view fdinfo);

/// How often the kernel did not run an attached program: it was called while the same program ran on that CPU
/// already, interrupted by what called it again or, where a program can be preempted (7.x), by another task.
class SkippedRuns {
 public:
  /// Also counts those of `program`, a descriptor that is duplicated. An error if /proc cannot be read.
  Status add(Hook hook, int program);

  /// Once a collect: every eighth time reads the count of one program, each in its turn. That is a system call, which
  /// takes no right; 1.0 us (6.18, 2 CPUs).
  void refresh();

  /// All runs of the hook's programs that were skipped since they were loaded, as last read; nothing if none is attached
  /// or the kernel does not count.
  std::optional<std::uint64_t> of(Hook hook) const;

 private:
  struct Counted {
    Hook hook;
    Fd program;  // what the file describes is looked up by its number
    Fd fdinfo;
    std::uint64_t misses = 0;
  };
  static std::optional<std::uint64_t> read(const Fd& fdinfo);

  std::vector<Counted> programs_;
  static constexpr std::size_t collects_between = 8;

  std::size_t collects_ = 0;
};

/// Which cgroup hierarchy a walk goes through.
enum class Hierarchy : std::uint64_t {
  cpuacct = WALK_CPUACCT,
  memory = WALK_MEMORY,
  cpu = WALK_CPU,
  pids = WALK_PIDS,
  unified = WALK_UNIFIED,
  io = WALK_IO,
  hugetlb = WALK_HUGETLB,
  cpuset = WALK_CPUSET,
};

/// The rows of one walk (ROW_* in bpf/guest/records.h). They stay valid until the next walk of the same kind.
template <typename Record>
struct Walk {
  std::span<const Record> rows;
  std::size_t left_over = 0;  ///< containers that found no row of their own: they are in the rest's
  bool complete = true;       ///< false: there are more cgroups than a walk goes through

  std::span<const Record> containers() const { return rows.subspan(std::min<std::size_t>(FIRST_ROW, rows.size())); }
  /// What the walk could not report one by one, as katameter_guest_cgroups_unreported counts it.
  std::size_t unreported() const { return left_over + (complete ? 0 : 1); }
};

/// Block I/O of one walk: a record for each device of a container, the containers in the order of their cgroups.
struct IoWalk {
  std::span<const io_record> devices;
  std::size_t left_over = 0;  ///< devices that found no room
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
  /// Loads what the plan has. `capacity`: containers that a walk can hold; the maps take some 700 bytes for each.
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
  /// `with_hugetlb`: for walked_hugetlb(), too.
  Result<Walk<memory_record>> walk_memory(bool with_hugetlb = false);
  /// Block I/O as the last walk_memory() found it.
  Result<IoWalk> walked_io();
  /// Containers that have used huge pages, as the last walk_memory(true) found them. Nothing if the plan has none of it.
  Result<std::span<const hugetlb_record>> walked_hugetlb();
  /// Memory by NUMA node, by the `rows` of the last walk_memory(). Nothing if the plan has none of it.
  Result<std::span<const numa_record>> walked_numa(std::size_t rows);
  Result<Walk<pressure_record>> walk_pressure();
  /// What the containers have asked of virtiofs, by the `rows` of the last walk over the hierarchy of tasks. Nothing if the
  /// plan has none of it.
  Result<std::span<const virtiofs_record>> walked_virtiofs(std::size_t rows);

  /// The names of a hierarchy's containers and of the cgroups above them, parents first. Copies: names take much room
  /// and are seldom asked for, so the map is not kept mapped.
  Result<std::vector<name_record>> walk_names(Hierarchy hierarchy);

  /// Goes through the tasks of the guest (bpf/guest/tasks.bpf.c). Four system calls and one for each 400 records.
  Status walk_tasks(const std::function<void(const task_record&)>& consumer);
  /// The sums that walk_tasks() has added to, one record a cgroup; nothing if the plan has none. As many.
  Status walk_sched_sums(const std::function<void(const sched_record&)>& consumer);

  /// Gives back what the kernel holds between two walks. Call when a snapshot is made.
  void close_iterators();

  /// Whether this kernel keeps a figure of memory.stat (STAT_*) where it can be read.
  bool has_stat(int stat) const { return (stats_found_ >> stat & 1) != 0; }

  /// As StatTables::read(), to resolve the indices of those that has_stat() does not have
  /// (guest-probe/self_check/stat_indices.h). Only where the plan has resolves_stats, and before end_resolving().
  Result<StatArrays> read_stat_arrays(std::uint64_t cgroup_id) { return stat_tables_->read(*requests_, cgroup_id); }
  /// Has figures that were not found before read at these indices; those of -1 stay as they are.
  void set_stat_indices(const StatIndices& resolved);
  /// Nothing more is to be resolved: releases what that took.
  void end_resolving();

  /// What all of its maps take of the kernel's memory, bytes: the sum of "memlock" in their /proc/self/fdinfo.
  std::uint64_t kernel_bytes() const { return kernel_bytes_; }

  /// Runs of a hook's programs that the kernel skipped since this load, as SkippedRuns::of().
  std::optional<std::uint64_t> misses(Hook hook) const { return skipped_.of(hook); }
  /// Once a collect: as SkippedRuns::refresh().
  void refresh_misses() { skipped_.refresh(); }

  /// Stalls of tasks in direct reclaim that a full map of bpf/guest/reclaim.bpf.c kept from being counted.
  std::uint64_t stalls_lost() const { return status().stalls_lost; }
  /// Devices of removed cgroups that were not kept: there was no room.
  std::uint64_t io_lost() const { return status().io_lost; }
  /// What the kernel counts of the guest's virtiofs, as the last walk_tasks() found it; nothing where there is none.
  std::optional<std::uint64_t> virtiofs_requests() const { return of_virtiofs(status().virtiofs_requests); }
  std::optional<std::uint64_t> virtiofs_waiting() const { return of_virtiofs(status().virtiofs_waiting); }
  /// The pod's volumes, as the last walk_tasks() found them; copies nothing, until the next walk.
  std::span<const volume_record> volumes() const;
  /// Requests to virtiofs of which the programs missed one end.
  std::uint64_t virtiofs_lost() const { return status().virtiofs_lost; }
  /// Requests to virtiofs that are not a container's; `whose`: VIRTIOFS_OF_*, `figure`: VIRTIOFS_*.
  std::uint64_t virtiofs_of(std::size_t whose, std::size_t figure) const {
    return status().virtiofs[whose].value[figure];
  }

  /// What the network has counted, as the last walk_tasks() found it: a figure by its place in Wanted::network. Nothing
  /// where this kernel does not have it.
  std::optional<std::uint64_t> network(std::size_t figure) const {
    if (status().network_known == 0 || (network_figures_ >> figure & 1) == 0) return std::nullopt;
    return status().network[figure];
  }
  /// The same of sockets: SOCKETS_*.
  std::optional<std::uint64_t> sockets(std::size_t kind) const {
    const std::uint64_t count = status().sockets[kind];
    return status().network_known == 0 || count == NOT_COUNTED ? std::nullopt : std::optional(count);
  }

  /// How far the rings below were read; no system call, like all that changes it.
  const progress& state() const { return state_.get(); }
  /// Counts a snapshot; its sequence.
  std::uint64_t next_snapshot();

  /// The removed containers that were not taken before; the first time also those taken before an earlier guest-probe
  /// ended and not acknowledged by it. Two system calls if there are any.
  Result<std::vector<removed_record>> take_removed();
  /// The host has these.
  void acknowledge_removed(std::span<const std::uint64_t> sequences);
  /// CPU time of all containers that were removed since the sequences began, ns; those of which no record is left too.
  std::uint64_t removed_cpu_ns() const { return status().removed_cpu_ns + state().vanished_cpu_ns; }
  /// A container is gone and there is no record of its removal: `cpu_ns` is what it had used when it was last met.
  void add_vanished(std::uint64_t cpu_ns);

  /// Readable when an OOM event was noted since the last look; nothing (get() < 0) if the plan has no events.
  const Fd& oom_wakeup() const { return oom_wakeup_.fd(); }
  /// The OOM events that the host does not have, after `sequence`. Two system calls if there are any.
  Result<std::vector<oom_record>> oom_events_after(std::uint64_t sequence);
  /// The host has the OOM events up to `sequence`.
  void acknowledge_oom_events(std::uint64_t sequence);

 private:
  friend class GuestLoader;

  struct Walker {
    IterProgram program;
    RecordWindow records;
  };

  GuestPrograms() = default;
  template <typename Record>
  Result<Walk<Record>> walk(Walker& walker, Hierarchy hierarchy, std::uint32_t* rest = nullptr);
  std::optional<std::uint64_t> of_virtiofs(std::uint64_t value) const {
    return status().virtiofs_mounted != 0 ? std::optional(value) : std::nullopt;
  }
  const volatile guest_status& status() const {
    return *reinterpret_cast<const volatile guest_status*>(status_.data());
  }
  void report_taken(std::uint64_t sequence);

  std::unique_ptr<Requests> requests_;
  Walker cpu_;
  Walker unified_;
  Walker memory_;
  Walker names_;
  Walker pressure_;
  RecordWindow io_;
  RecordWindow hugetlb_;
  RecordWindow numa_;
  RecordWindow virtiofs_;
  std::uint32_t io_walked_ = 0;  // as walk_io() in bpf/guest/io.bpf.h gives it
  IterProgram tasks_;
  std::optional<IterProgram> sched_sums_;
  Mapping status_;
  PersistentState state_;
  Fd removed_;
  Fd oom_events_;
  RingbufWakeup oom_wakeup_;
  GuestPlan plan_;
  SkippedRuns skipped_;
  std::vector<Fd> hooks_;  // links; none where they are pinned
  std::uint64_t kernel_bytes_ = 0;
  std::uint32_t stats_found_ = 0;
  std::uint32_t network_figures_ = 0;  // a bit for each that there is
  std::optional<StatTables> stat_tables_;
  std::optional<StatIndexMap> stat_indices_;
  bool replayed_ = false;
};

}  // namespace katameter::guest
