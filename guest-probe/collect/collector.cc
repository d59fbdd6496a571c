#include "guest-probe/collect/collector.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "guest-probe/account/unified_account.h"
#include "guest-probe/containers/containers.h"
#include "userspace/log.h"

namespace katameter {
namespace {

constexpr std::size_t removed_kept = 1024;
// A CPU hands in every 32 pages, so on a busy guest a pair of walks may be disturbed several times in a row.
constexpr int walks_at_most = 10;
// Measured with a reader of cpu.stat beside: 4 at most, but for a cgroup that was preempted in mid-release.
constexpr int unified_walks_at_most = 20;

constexpr std::array<std::pair<Hook, wire::Figure wire::Guest::*>, hooks> misses_of_hooks{{
    {Hook::cgroup_rmdir, &wire::Guest::program_misses_cgroup_rmdir},
    {Hook::cgroup_mkdir, &wire::Guest::program_misses_cgroup_mkdir},
    {Hook::mark_victim, &wire::Guest::program_misses_mark_victim},
    {Hook::reclaim, &wire::Guest::program_misses_reclaim},
    {Hook::cpuhp_enter, &wire::Guest::program_misses_cpuhp_enter},
    {Hook::sched_process_free, &wire::Guest::program_misses_sched_process_free},
}};

std::uint64_t boottime_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Whether a living cgroup of the walk has no name yet.
template <typename Record>
bool has_unknown(const std::vector<Record>& walk, const CgroupPaths& paths) {
  return std::any_of(walk.begin(), walk.end(), [&](const Record& record) {
    return (record.node.flags & NODE_ONLINE) != 0 && paths.find(record.node.id) == nullptr;
  });
}

// Each hierarchy gives out its own ids; which one a removed cgroup was in tells by its controllers.
bool is_of(Hierarchy hierarchy, const removed_record& record) {
  const auto has = [&](std::uint32_t kind) {
    return (record.kinds & REMOVED_CPU) != 0 && (record.cpu.kinds & kind) != 0;
  };
  switch (hierarchy) {
    case Hierarchy::cpuacct: return has(CPU_TIMES);
    case Hierarchy::cpu: return has(CPU_BANDWIDTH);
    case Hierarchy::pids: return has(CPU_TASKS);
    case Hierarchy::unified: return has(CPU_UNIFIED);
    case Hierarchy::io: return (record.kinds & REMOVED_IO) != 0;
    case Hierarchy::memory: break;
  }
  return (record.kinds & REMOVED_MEMORY) != 0;
}

}  // namespace

Collector::Collector(GuestPrograms& programs, const ServedFigures& served, std::size_t containers)
    : programs_(programs),
      served_(served),
      shown_times_(served.cpu_times_scaled),
      removed_(removed_kept),
      row_limit_(containers),
      tasks_(static_cast<std::uint32_t>(getpid())) {
  served_.cpu_fields.usage = served_.cpu;
  for (const Hierarchy hierarchy : served_.cpu_walks) cpu_walks_.push_back({hierarchy, {}, {}});
}

Result<wire::Snapshot> Collector::collect(std::uint64_t request) {
  const Status read = read_kernel();
  programs_.rest();
  if (!read) return failure_from(read.error());

  wire::Snapshot snapshot;
  snapshot.request = request;
  snapshot.sequence = programs_.next_snapshot();
  snapshot.boottime_ns = boottime_ns();
  snapshot.guest.oom_events_lost = programs_.kept().events_lost;
  snapshot.guest.containers_unreported = cgroups_beyond_;
  snapshot.guest.containers_lost = programs_.kept().removals_lost + removed_.forgotten();
  snapshot.guest.stalls_lost = programs_.stalls_lost();
  for (const auto& [hook, figure] : misses_of_hooks) snapshot.guest.*figure = programs_.misses(hook);

  Rows rows;
  add_cpu(rows, snapshot.guest);
  if (served_.memory) add_memory(rows);
  add_pressure(rows);
  add_io(rows, snapshot.guest);
  add_system_cpu(snapshot.guest);
  sources_.read(snapshot);
  removed_.report(rows, snapshot.sequence);
  if (served_.schedstat) {
    for (auto& [id, row] : rows) sched_.complete(row);
  }
  limit_rows(rows, snapshot.guest);
  snapshot.containers.reserve(rows.size());
  for (auto& [id, row] : rows) snapshot.containers.push_back(std::move(row));
  return snapshot;
}

void Collector::limit_rows(Rows& rows, wire::Guest& guest) {
  const bool known = row_limit_.exceeded();
  row_limit_.apply(rows, guest);
  if (known || !row_limit_.exceeded()) return;
  log_warning("there are more containers than --max-containers allows rows for ({}): the rest is told as a sum",
              rows.size());
}

void Collector::acknowledge(std::uint64_t sequence) {
  removed_.acknowledge(sequence);
  settle_removed();
}

void Collector::settle_removed() {
  const SettledRemovals settled = removed_.take_settled();
  if (!settled.sequences.empty()) programs_.settle_removed(settled.sequences, settled.cpu_usage_ns);
}

Status Collector::read_kernel() {
  cgroups_beyond_ = 0;
  // Before the cgroups' CPU time, so that no owner has more of it than there is.
  if (Status status = read_tasks(); !status) return status;
  if (Status status = read_cpu(); !status) return status;
  if (Status status = read_pressure(); !status) return status;
  if (Status status = read_memory(); !status) return status;
  if (Status status = learn_names(); !status) return status;
  tasks_.end(tasks_paths());
  // Last: what is removed after its walk is then known from both, and counted once; before it, nothing is missed.
  if (Status status = take_removed(); !status) return status;
  if (served_.schedstat) sched_.end(tasks_paths());
  return {};
}

Status Collector::read_tasks() {
  tasks_.begin();
  sched_.begin();
  if (!served_.processes) return {};
  Status status = programs_.walk_tasks([this](const task_record& record) { tasks_.add(record); });
  if (!status || !served_.schedstat) return status;
  return programs_.walk_sched_sums([this](const sched_record& record) { sched_.add(record); });
}

Status Collector::read_cpu() {
  for (CpuWalk& of : cpu_walks_) {
    if (of.hierarchy == Hierarchy::unified) {
      if (Status status = read_unified(of); !status) return status;
      continue;
    }
    const Result<Walk<cpu_record>> walk = programs_.walk_cpu(of.hierarchy);
    if (!walk) return failure_from(walk.error());
    of.records.assign(walk->records.begin(), walk->records.end());
    for (cpu_record& record : of.records) shown_times_.settle(record);
    cgroups_beyond_ = std::max(cgroups_beyond_, std::uint64_t{walk->visited - walk->records.size()});
  }
  return {};
}

Status Collector::read_unified(CpuWalk& into) {
  unified_walk_.clear();
  for (int i = 0; i < unified_walks_at_most; ++i) {
    const Result<Walk<unified_record>> walk = programs_.walk_unified();
    if (!walk) return failure_from(walk.error());
    const bool settled = is_complete(walk->records, walk->visited) && walks_agree(unified_walk_, walk->records);
    unified_walk_.assign(walk->records.begin(), walk->records.end());
    const std::uint64_t beyond = walk->visited - walk->records.size();
    cgroups_beyond_ = std::max(cgroups_beyond_, beyond);
    if (settled || beyond > 0) break;
  }
  into.records = sum_unified(unified_walk_);
  // Where no two walks agreed, figures may be too small, and shown_times_ keeps what was shown before.
  for (cpu_record& record : into.records) shown_times_.settle(record);
  return {};
}

Status Collector::read_memory() {
  memory_walk_.clear();
  io_walk_.clear();
  if (!served_.memory) return {};
  for (int i = 0; i < walks_at_most; ++i) {
    const Result<Walk<memory_record>> walk = programs_.walk_memory();
    if (!walk) return failure_from(walk.error());
    bool settled = walks_agree(memory_walk_, walk->records);
    memory_walk_.assign(walk->records.begin(), walk->records.end());
    if (served_.io) {
      const Result<Walk<io_record>> io = programs_.walked_io();
      if (!io) return failure_from(io.error());
      settled = settled && walks_agree(io_walk_, io->records);
      io_walk_.assign(io->records.begin(), io->records.end());
      io_beyond_ = io->visited - io->records.size();
    }
    cgroups_beyond_ = std::max(cgroups_beyond_, std::uint64_t{walk->visited - walk->records.size()});
    if (settled) break;
  }
  return {};
}

Status Collector::read_pressure() {
  pressure_walk_.clear();
  if (!any(served_.pressure)) return {};
  const Result<Walk<pressure_record>> walk = programs_.walk_pressure();
  if (!walk) return failure_from(walk.error());
  pressure_walk_.assign(walk->records.begin(), walk->records.end());
  pressure_.begin();
  for (pressure_record& record : pressure_walk_) pressure_.keep(record);
  return {};
}

Status Collector::learn_names() {
  const auto learn = [&](Hierarchy hierarchy, CgroupPaths& paths) -> Status {
    const Result<std::vector<name_record>> names = programs_.walk_names(hierarchy);
    if (!names) return failure_from(names.error());
    paths.learn(*names);
    if (hierarchy == served_.tasks_hierarchy) start_times_.learn(*names);
    return {};
  };
  for (CpuWalk& walk : cpu_walks_) {
    if (!has_unknown(walk.records, walk.paths)) continue;
    if (Status status = learn(walk.hierarchy, walk.paths); !status) return status;
  }
  if (has_unknown(memory_walk_, memory_paths_)) {
    if (Status status = learn(Hierarchy::memory, memory_paths_); !status) return status;
  }
  if (!served_.io_among_memory && has_unknown(io_walk_, io_paths_)) {
    if (Status status = learn(Hierarchy::io, io_paths_); !status) return status;
  }
  return {};
}

Status Collector::take_removed() {
  Result<std::vector<removed_record>> removed = programs_.take_removed();
  if (!removed) return failure_from(removed.error());
  std::erase_if(gone_, [&](const auto& gone) { return !is_walked(gone.first, gone.second); });
  for (removed_record& record : *removed) {
    for (const CpuWalk& walk : cpu_walks_) {
      if (is_of(walk.hierarchy, record)) gone_.emplace_back(walk.hierarchy, record.id);
    }
    if (is_of(Hierarchy::memory, record)) gone_.emplace_back(Hierarchy::memory, record.id);
    if (is_of(Hierarchy::io, record)) gone_.emplace_back(Hierarchy::io, record.id);
    if (record.made_ns == 0 && is_of(served_.tasks_hierarchy, record)) {
      record.made_ns = start_times_.find(record.id).value_or(0);
    }
    if (is_of(served_.tasks_hierarchy, record)) sched_.removed(record.id, printable(record.path));
    if ((record.kinds & REMOVED_MEMORY) != 0) faults_.keep(record.id, record.memory);
    if ((record.kinds & REMOVED_IO) != 0) io_.keep(record.id, record);
    if ((record.kinds & REMOVED_CPU) != 0) shown_times_.settle(record.cpu);
    pressure_.keep(record.id, record.pressure);
    removed_.add(record, served_.memory_fields, served_.cpu_fields, served_.pressure);
  }
  settle_removed();
  shown_times_.forget_unseen();
  return {};
}

bool Collector::is_gone(Hierarchy hierarchy, std::uint64_t cgroup_id) const {
  return std::find(gone_.begin(), gone_.end(), std::pair{hierarchy, cgroup_id}) != gone_.end();
}

bool Collector::is_walked(Hierarchy hierarchy, std::uint64_t cgroup_id) const {
  const auto has_id = [&](const auto& record) { return record.node.id == cgroup_id; };
  if (hierarchy == Hierarchy::memory) return std::any_of(memory_walk_.begin(), memory_walk_.end(), has_id);
  if (hierarchy == Hierarchy::io) return std::any_of(io_walk_.begin(), io_walk_.end(), has_id);
  return std::any_of(cpu_walks_.begin(), cpu_walks_.end(), [&](const CpuWalk& walk) {
    return walk.hierarchy == hierarchy && std::any_of(walk.records.begin(), walk.records.end(), has_id);
  });
}

void Collector::add_cpu(Rows& rows, wire::Guest& guest) {
  std::uint64_t workload_ns = programs_.kept().removed_cpu_ns + removed_.cpu_usage_ns();
  for (const CpuWalk& walk : cpu_walks_) {
    const CpuAccount account = account_cpu(walk.records, walk.paths);
    if (served_.cpu && account.root_ns) guest.cpu_usage_ns = account.root_ns;
    for (const auto& [id, record] : account.containers) {
      if (is_gone(walk.hierarchy, record.node.id)) continue;
      if ((record.kinds & CPU_TIMES) != 0) workload_ns += record.usage_ns;
      wire::Container& row = rows[id];
      row.id = id;
      row.cgroup = *walk.paths.find(record.node.id);
      set_cpu(row, record, served_.cpu_fields);
      if (walk.hierarchy == served_.tasks_hierarchy) add_tasks(row, record.node.id);
    }
  }
  if (served_.cpu) guest.workload_cpu_usage_ns = workload_ns;
}

void Collector::add_memory(Rows& rows) {
  faults_.begin();
  for (auto [id, memory] : account_memory(memory_walk_, memory_paths_, served_.memory_fields)) {
    if (is_gone(Hierarchy::memory, memory.cgroup_id)) continue;
    wire::Container& row = rows[id];
    row.id = id;
    row.cgroup = *memory_paths_.find(memory.cgroup_id);
    faults_.keep(memory);
    set_memory(row, memory);
    if (served_.tasks_hierarchy == Hierarchy::memory) add_tasks(row, memory.cgroup_id);
  }
}

void Collector::add_pressure(Rows& rows) {
  for (const pressure_record& record : pressure_walk_) {
    const auto place = tasks_paths().container_of(record.node.id);
    if (!place || place->nested || (record.node.flags & NODE_ONLINE) == 0) continue;
    // A row only if its CPU time has one: one that was just removed has neither.
    const auto row = rows.find(place->id);
    if (row != rows.end()) set_pressure(row->second, record.totals, served_.pressure);
  }
}

void Collector::add_io(Rows& rows, wire::Guest& guest) {
  std::uint64_t left_out = io_beyond_ + programs_.io_lost();
  io_.begin();
  for (auto& [id, io] : account_io(io_walk_, io_paths())) {
    const std::string* path = io_paths().find(io.cgroup_id);
    if (path == nullptr || is_gone(Hierarchy::io, io.cgroup_id)) continue;
    io_.keep(io);
    // One that is met here and not by the other walks has just been made, or is going.
    wire::Container& row = rows[id];
    row.id = id;
    row.cgroup = *path;
    left_out += set_io(row, io.devices);
  }
  guest.block_devices_unreported = left_out + removed_.block_devices_left_out();
}

const CgroupPaths& Collector::tasks_paths() const {
  for (const CpuWalk& walk : cpu_walks_) {
    if (walk.hierarchy == served_.tasks_hierarchy) return walk.paths;
  }
  return memory_paths_;
}

void Collector::add_tasks(wire::Container& row, std::uint64_t cgroup_id) {
  const TaskAccount::OfContainer tasks = tasks_.of_container(row.id);
  if (served_.processes) row.processes = tasks.processes;
  if (!served_.start_times) return;
  if (tasks.first_start_ns && !start_times_.find(cgroup_id)) start_times_.guess(cgroup_id, *tasks.first_start_ns);
  row.start_boottime_ns = start_times_.find(cgroup_id);
}

void Collector::add_system_cpu(wire::Guest& guest) const {
  if (!served_.processes || !served_.cpu) return;
  guest.kernel_cpu_usage_ns = tasks_.cpu_ns(TaskAccount::Owner::kernel);
  guest.agent_cpu_usage_ns = tasks_.cpu_ns(TaskAccount::Owner::agent);
  guest.probe_cpu_usage_ns = tasks_.cpu_ns(TaskAccount::Owner::probe);
}

}  // namespace katameter
