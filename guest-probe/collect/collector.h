#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "guest-probe/account/containers.h"
#include "guest-probe/account/cpu.h"
#include "guest-probe/account/io.h"
#include "guest-probe/account/memory.h"
#include "guest-probe/account/pressure.h"
#include "guest-probe/account/tasks.h"
#include "guest-probe/bpf/plan.h"
#include "guest-probe/bpf/programs.h"
#include "guest-probe/collect/guest_sums.h"
#include "guest-probe/collect/guest_wide.h"
#include "guest-probe/collect/removed_containers.h"
#include "guest-probe/self_check/self_check.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

class StatIndexResolver;

/// Makes snapshots: runs the BPF programs and turns their records into containers.
class Collector {
 public:
  /// `containers`: how many get a row of their own.
  Collector(GuestPrograms& programs, const ServedFigures& served, std::size_t containers);

  /// All counters now. `request` goes back to the host with them.
  Result<wire::Snapshot> collect(std::uint64_t request);

  /// Memory and network of the whole guest are in the snapshots from now on.
  void add(GuestSources sources) { sources_ = std::move(sources); }
  /// The guest's sums go on from these.
  void add(ReportedSums sums) { sums_ = std::move(sums); }

  /// What the start could not resolve or compare, to be made up for; it has to outlive the collector.
  void add(StatIndexResolver& resolver) { resolver_ = &resolver; }

  /// The host has the snapshots up to `sequence`.
  void acknowledge(std::uint64_t sequence);

 private:
  using Rows = std::map<ContainerId, wire::Container>;
  struct CpuWalk {
    Hierarchy hierarchy;
    CgroupPaths paths;
    std::vector<cpu_record> rows;  // of the collect that is under way
  };

  bool sums_tasks() const { return served_.has(FigureGroup::schedstat) || served_.has(FigureGroup::io_calls); }
  Status read_kernel();
  Status read_tasks();
  Status read_cpu();
  Status read_unified(CpuWalk& into);
  Status read_memory();
  Status read_pressure();
  Status read_virtiofs();
  Status learn_names();
  Status resolve_stats();
  Status take_removed();
  void acknowledge_removed();
  void limit_rows(Rows& rows, wire::Guest& guest);
  void find_vanished(Rows& rows);
  void warn_unreported();
  template <typename Record>
  void note_unreported(const Walk<Record>& walk);
  void add_cpu(Rows& rows, wire::Guest& guest);
  bool is_gone(Hierarchy hierarchy, std::uint64_t cgroup_id) const;
  bool is_walked(Hierarchy hierarchy, std::uint64_t cgroup_id) const;
  wire::Container* row_of(Rows& rows, Hierarchy hierarchy, const CgroupPaths& paths, std::uint64_t cgroup_id);
  void add_memory(Rows& rows);
  void add_pressure(Rows& rows);
  void add_virtiofs(Rows& rows, wire::Guest& guest) const;
  void add_io(Rows& rows, wire::Guest& guest);
  void add_hugetlb(Rows& rows);
  void add_tasks(wire::Container& row, std::uint64_t cgroup_id);
  void add_system_cpu(wire::Guest& guest) const;
  const CgroupPaths& tasks_paths() const;
  const CgroupPaths& io_paths() const { return served_.io_among_memory ? memory_paths_ : io_paths_; }

  const CgroupPaths& hugetlb_paths() const { return served_.hugetlb_among_memory ? memory_paths_ : hugetlb_paths_; }

  GuestPrograms& programs_;
  ServedFigures served_;
  std::vector<CpuWalk> cpu_walks_;
  std::size_t max_rows_;
  ShownTimes shown_times_;
  CgroupPaths memory_paths_;
  CgroupPaths io_paths_;
  CgroupPaths hugetlb_paths_;
  RemovedContainers removed_;
  RowLimit row_limit_;
  MemoryCounters memory_;
  PressureCounters pressure_;
  IoCounters io_;
  TaskAccount tasks_;
  SchedAccount sched_;
  StartTimes start_times_;
  GuestSources sources_;
  ReportedSums sums_;
  // As the last snapshot had them. A container that is in none of two collects, and of whose removal there is no record,
  // has vanished: the kernel skipped the program that would have taken its last values, or refused it.
  Rows living_;
  Rows missing_;
  StatIndexResolver* resolver_ = nullptr;
  // Removed, and by a walk still met as if they were not: a css goes offline milliseconds after its directory.
  std::vector<std::pair<Hierarchy, std::uint64_t>> gone_;
  // Of the collect that is under way.
  std::vector<memory_record> memory_rows_;
  std::vector<pressure_record> pressure_walk_;
  std::vector<io_record> io_walk_;
  std::vector<hugetlb_record> hugetlb_;
  std::vector<numa_record> numa_;          // as memory_rows_
  std::vector<virtiofs_record> virtiofs_;  // of the containers that have made requests
  bool new_memory_cgroups_ = false;
  std::uint64_t io_beyond_ = 0;
  std::uint64_t unreported_ = 0;
  bool warned_unreported_ = false;
};

}  // namespace katameter::guest
