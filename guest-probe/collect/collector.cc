#include "guest-probe/collect/collector.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "guest-probe/account/cpu.h"
#include "guest-probe/account/figure_sources.h"
#include "guest-probe/self_check/stat_indices.h"
#include "userspace/log.h"
#include "userspace/wire/codec.h"

namespace katameter::guest {
namespace {

constexpr std::size_t max_removed = 1024;
// A CPU flushes every 32 pages, so on a busy guest a pair of walks may be disturbed several times in a row.
constexpr int max_walks = 10;
// Measured with a reader of cpu.stat beside: 4 at most, but for a cgroup that was preempted in mid-release.
constexpr int max_unified_walks = 20;

std::uint64_t boottime_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

template <typename Record>
std::span<const Record> containers_of(const std::vector<Record>& rows) {
  return std::span(rows).subspan(std::min<std::size_t>(FIRST_ROW, rows.size()));
}

// Whether a container of the walk has no name yet.
template <typename Record>
bool has_unknown(std::span<const Record> containers, const CgroupPaths& paths) {
  return std::any_of(containers.begin(), containers.end(),
                     [&](const Record& record) { return paths.find(record.id) == nullptr; });
}

// Whether the CPU or the memory walk does not meet a container any more that the other one still meets.
bool has_lost_a_walk(const wire::Container& row, const wire::Container& last) {
  return (last.cpu_usage_ns && !row.cpu_usage_ns) || (last.memory_usage_bytes && !row.memory_usage_bytes);
}

}  // namespace

Collector::Collector(GuestPrograms& programs, const ServedFigures& served, std::size_t containers)
    : programs_(programs),
      served_(served),
      max_rows_(containers),
      shown_times_(served.cpu_times_scaled),
      removed_(max_removed),
      row_limit_(containers),
      tasks_(static_cast<std::uint32_t>(getpid())) {
  for (const Hierarchy hierarchy : served_.cpu_walks) cpu_walks_.push_back({hierarchy, {}, {}});
}

Result<wire::Snapshot> Collector::collect(std::uint64_t request) {
  const Status read = read_kernel();
  programs_.close_iterators();
  if (!read) return failure_from(read.error());

  wire::Snapshot snapshot;
  snapshot.request = request;
  snapshot.sequence = programs_.next_snapshot();
  snapshot.boottime_ns = boottime_ns();
  snapshot.guest.oom_events_lost = programs_.state().events_lost;
  snapshot.guest.containers_lost = programs_.state().removals_lost + removed_.forgotten();
  snapshot.guest.stalls_lost = programs_.stalls_lost();
  programs_.refresh_misses();
  std::size_t network = 0;
  for (const GuestSource& source : guest_sources) {
    wire::Figure& figure = snapshot.guest.*source.figure;
    if (source.skipped_runs) figure = programs_.misses(*source.skipped_runs);
    if (!source.network.empty()) figure = programs_.network(network++);
    if (source.sockets) figure = programs_.sockets(static_cast<std::size_t>(*source.sockets));
  }

  Rows rows;
  add_cpu(rows, snapshot.guest);
  if (served_.memory) add_memory(rows);
  add_pressure(rows);
  add_virtiofs(rows, snapshot.guest);
  if (served_.has(figure::processes)) snapshot.volumes = account_volumes(programs_.volumes());
  add_io(rows, snapshot.guest);
  add_hugetlb(rows);
  add_system_cpu(snapshot.guest);
  sources_.read(snapshot);
  find_vanished(rows);
  living_ = rows;
  const std::size_t living = std::min(rows.size(), max_rows_);
  removed_.report(rows, snapshot.sequence, wire::max_snapshot_rows - std::min(wire::max_snapshot_rows, living));
  if (sums_tasks()) {
    for (auto& [id, row] : rows) sched_.complete(row, served_.figures);
  }
  limit_rows(rows, snapshot.guest);
  snapshot.guest.containers_unreported = unreported_;
  warn_unreported();
  sums_.carry_on(snapshot.guest);
  snapshot.containers.reserve(rows.size());
  for (auto& [id, row] : rows) snapshot.containers.push_back(std::move(row));
  return snapshot;
}

void Collector::limit_rows(Rows& rows, wire::Guest& guest) {
  const bool known = row_limit_.exceeded();
  row_limit_.apply(rows, guest);
  if (known || !row_limit_.exceeded()) return;
  log_warning("more containers than --max-containers: the others are reported as a sum",
              {{"max_containers", max_rows_}});
}

void Collector::acknowledge(std::uint64_t sequence) {
  removed_.acknowledge(sequence);
  acknowledge_removed();
}

void Collector::acknowledge_removed() {
  const std::vector<std::uint64_t> done = removed_.take_done();
  if (!done.empty()) programs_.acknowledge_removed(done);
}

void Collector::find_vanished(Rows& rows) {
  const auto is_known = [&](const ContainerId& id) { return rows.contains(id) || removed_.find(id) != nullptr; };
  for (auto& [id, last] : missing_) {
    if (is_known(id)) continue;
    if (last.cpu_usage_ns) programs_.add_vanished(*last.cpu_usage_ns);
    removed_.add(std::move(last));
  }
  missing_.clear();
  for (auto& [id, last] : living_) {
    // Its directories do not go at once, nor do the walks cease to meet it at once.
    if (const auto row = rows.find(id); row != rows.end() && has_lost_a_walk(row->second, last)) {
      // What a removal has recorded is newer.
      if (const wire::Container* recorded = removed_.find(id)) complete(row->second, *recorded);
      complete(row->second, last);
    }
    if (!is_known(id)) missing_.emplace(id, std::move(last));
  }
}

void Collector::warn_unreported() {
  if (unreported_ == 0 || warned_unreported_) return;
  warned_unreported_ = true;
  log_warning(
      "cgroups are not reported one by one: there are more containers or cgroups than a walk has room for "
      "(see --max-containers)",
      {{"count", unreported_}});
}

Status Collector::read_kernel() {
  unreported_ = 0;
  // Before the cgroups' CPU time, so that no owner has more of it than there is.
  if (Status status = read_tasks(); !status) return status;
  if (Status status = read_cpu(); !status) return status;
  if (Status status = read_pressure(); !status) return status;
  if (Status status = read_memory(); !status) return status;
  if (Status status = learn_names(); !status) return status;
  if (Status status = resolve_stats(); !status) return status;
  if (Status status = read_virtiofs(); !status) return status;
  tasks_.end();
  // Last: what is removed after its walk is then known from both, and counted once; before it, nothing is missed.
  if (Status status = take_removed(); !status) return status;
  if (sums_tasks()) sched_.end(tasks_paths());
  return {};
}

Status Collector::read_tasks() {
  tasks_.begin();
  sched_.begin();
  if (!served_.has(figure::processes)) return {};
  Status status = programs_.walk_tasks([this](const task_record& record) { tasks_.add(record); });
  if (!status || !sums_tasks()) return status;
  return programs_.walk_sched_sums([this](const sched_record& record) { sched_.add(record); });
}

template <typename Record>
void Collector::note_unreported(const Walk<Record>& walk) {
  unreported_ = std::max(unreported_, std::uint64_t{walk.unreported()});
}

Status Collector::read_cpu() {
  for (CpuWalk& of : cpu_walks_) {
    if (of.hierarchy == Hierarchy::unified) {
      if (Status status = read_unified(of); !status) return status;
    } else {
      const Result<Walk<cpu_record>> walk = programs_.walk_cpu(of.hierarchy);
      if (!walk) return failure_from(walk.error());
      note_unreported(*walk);
      of.rows.assign(walk->rows.begin(), walk->rows.end());
    }
    for (std::size_t row = 0; row < of.rows.size(); ++row) {
      if (row != ROW_REST) shown_times_.clamp(of.rows[row]);
    }
  }
  return {};
}

// Where no two walks agree, figures may be too small, and shown_times_ keeps what was shown before.
Status Collector::read_unified(CpuWalk& into) {
  std::vector<unified_record> before;
  for (int i = 0; i < max_unified_walks; ++i) {
    const Result<Walk<unified_record>> walk = programs_.walk_unified();
    if (!walk) return failure_from(walk.error());
    note_unreported(*walk);
    const bool agreed = is_complete(walk->containers()) && walks_agree(before, walk->containers());
    before.assign(walk->containers().begin(), walk->containers().end());
    into.rows.clear();
    for (const unified_record& record : walk->rows) into.rows.push_back(record.cpu);
    if (agreed || !walk->complete) break;
  }
  return {};
}

Status Collector::read_memory() {
  memory_rows_.clear();
  io_walk_.clear();
  if (!served_.memory) return {};
  const bool with_hugetlb = served_.has(FigureGroup::hugetlb);
  for (int i = 0; i < max_walks; ++i) {
    const Result<Walk<memory_record>> walk = programs_.walk_memory(with_hugetlb && i == 0);
    if (!walk) return failure_from(walk.error());
    note_unreported(*walk);
    bool agreed = i > 0 && walks_agree(containers_of(memory_rows_), walk->containers());
    memory_rows_.assign(walk->rows.begin(), walk->rows.end());
    if (served_.io) {
      const Result<IoWalk> io = programs_.walked_io();
      if (!io) return failure_from(io.error());
      agreed = agreed && walks_agree(io_walk_, io->devices);
      io_walk_.assign(io->devices.begin(), io->devices.end());
      io_beyond_ = io->left_over;
    }
    if (agreed) break;
  }
  if (served_.has(FigureGroup::numa)) {
    const Result<std::span<const numa_record>> numa = programs_.walked_numa(memory_rows_.size());
    if (!numa) return failure_from(numa.error());
    numa_.assign(numa->begin(), numa->end());
  }
  if (!with_hugetlb) return {};
  const Result<std::span<const hugetlb_record>> hugetlb = programs_.walked_hugetlb();
  if (!hugetlb) return failure_from(hugetlb.error());
  hugetlb_.assign(hugetlb->begin(), hugetlb->end());
  return {};
}

Status Collector::read_pressure() {
  pressure_walk_.clear();
  if (!served_.has(FigureGroup::pressure)) return {};
  const Result<Walk<pressure_record>> walk = programs_.walk_pressure();
  if (!walk) return failure_from(walk.error());
  pressure_walk_.assign(walk->containers().begin(), walk->containers().end());
  pressure_.begin();
  for (pressure_record& record : pressure_walk_) pressure_.raise(record);
  return {};
}

// The walk over the hierarchy of tasks has filled it in.
Status Collector::read_virtiofs() {
  virtiofs_.clear();
  if (!served_.has(FigureGroup::virtiofs)) return {};
  std::size_t rows = served_.tasks_hierarchy == Hierarchy::memory ? memory_rows_.size() : 0;
  for (const CpuWalk& walk : cpu_walks_) {
    if (walk.hierarchy == served_.tasks_hierarchy) rows = walk.rows.size();
  }
  const Result<std::span<const virtiofs_record>> records = programs_.walked_virtiofs(rows);
  if (!records) return failure_from(records.error());
  for (const virtiofs_record& record : records->subspan(std::min<std::size_t>(FIRST_ROW, records->size()))) {
    if (record.id != 0) virtiofs_.push_back(record);
  }
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
    if (!has_unknown(containers_of(walk.rows), walk.paths)) continue;
    if (Status status = learn(walk.hierarchy, walk.paths); !status) return status;
  }
  new_memory_cgroups_ = has_unknown(containers_of(memory_rows_), memory_paths_);
  if (new_memory_cgroups_) {
    if (Status status = learn(Hierarchy::memory, memory_paths_); !status) return status;
  }
  if (!served_.io_among_memory && has_unknown(std::span<const io_record>(io_walk_), io_paths_)) {
    if (Status status = learn(Hierarchy::io, io_paths_); !status) return status;
  }
  if (!served_.hugetlb_among_memory && has_unknown(std::span<const hugetlb_record>(hugetlb_), hugetlb_paths_)) {
    if (Status status = learn(Hierarchy::hugetlb, hugetlb_paths_); !status) return status;
  }
  return {};
}

Status Collector::resolve_stats() {
  if (resolver_ == nullptr || !resolver_->is_due(new_memory_cgroups_)) return {};
  std::vector<std::string> containers;
  const std::span<const memory_record> rows = containers_of(memory_rows_);
  // The last ones of a walk are the newest.
  for (auto record = rows.rbegin(); record != rows.rend(); ++record) {
    if (!memory_paths_.container_of(record->id)) continue;
    containers.push_back(resolver_->mount() + *memory_paths_.find(record->id));
    if (containers.size() == StatIndexResolver::max_containers) break;
  }
  if (!resolver_->try_again(containers, served_.figures)) return {};
  return read_memory();  // with what is known now
}

Status Collector::take_removed() {
  Result<std::vector<removed_record>> removed = programs_.take_removed();
  if (!removed) return failure_from(removed.error());
  std::erase_if(gone_, [&](const auto& gone) { return !is_walked(gone.first, gone.second); });
  for (removed_record& record : *removed) {
    for (std::size_t hierarchy = 0; hierarchy < HIERARCHIES; ++hierarchy) {
      if (record.ids[hierarchy] != 0) gone_.emplace_back(static_cast<Hierarchy>(hierarchy), record.ids[hierarchy]);
    }
    const std::uint64_t tasks_id = record.ids[static_cast<std::size_t>(served_.tasks_hierarchy)];
    if (record.made_ns == 0) record.made_ns = start_times_.find(tasks_id).value_or(0);
    const auto id = ContainerId::from_hex({record.container, sizeof(record.container)});
    if (id) sched_.removed(tasks_id, *id);
    if ((record.kinds & REMOVED_IO) != 0) io_.raise_removed(record.ids[WALK_IO], record);
    if ((record.kinds & REMOVED_CPU) != 0) {
      record.cpu.id = record.ids[(record.cpu.kinds & CPU_UNIFIED) != 0 ? WALK_UNIFIED : WALK_CPUACCT];
      shown_times_.clamp(record.cpu);
    }
    pressure_.raise_removed(tasks_id, record.pressure);
    const FigureSet read = known_figures(served_.figures, record.stats, served_.unified_memory);
    wire::Container* row = removed_.add(record, read, served_.unified_memory);
    if (row != nullptr && (record.kinds & REMOVED_MEMORY) != 0) memory_.raise_removed(record.ids[WALK_MEMORY], *row);
    const auto living = id ? living_.find(*id) : living_.end();
    if (living != living_.end()) removed_.set_path(*id, living->second.cgroup);
  }
  acknowledge_removed();
  shown_times_.forget_unseen();
  return {};
}

bool Collector::is_gone(Hierarchy hierarchy, std::uint64_t cgroup_id) const {
  return std::find(gone_.begin(), gone_.end(), std::pair{hierarchy, cgroup_id}) != gone_.end();
}

bool Collector::is_walked(Hierarchy hierarchy, std::uint64_t cgroup_id) const {
  const auto has_id = [&](const auto& record) { return record.id == cgroup_id; };
  if (hierarchy == Hierarchy::memory) return std::any_of(memory_rows_.begin(), memory_rows_.end(), has_id);
  if (hierarchy == Hierarchy::io) return std::any_of(io_walk_.begin(), io_walk_.end(), has_id);
  if (hierarchy == Hierarchy::hugetlb) return std::any_of(hugetlb_.begin(), hugetlb_.end(), has_id);
  return std::any_of(cpu_walks_.begin(), cpu_walks_.end(), [&](const CpuWalk& walk) {
    return walk.hierarchy == hierarchy && std::any_of(walk.rows.begin(), walk.rows.end(), has_id);
  });
}

// The row of a container; none if it was removed meanwhile, or its name is not known.
wire::Container* Collector::row_of(Rows& rows, Hierarchy hierarchy, const CgroupPaths& paths, std::uint64_t cgroup_id) {
  if (is_gone(hierarchy, cgroup_id)) return nullptr;
  const std::string* path = paths.find(cgroup_id);
  const auto id = paths.container_of(cgroup_id);
  if (path == nullptr) ++unreported_;
  if (path == nullptr || !id) return nullptr;
  wire::Container& row = rows[*id];
  row.id = *id;
  row.cgroup = *path;
  return &row;
}

void Collector::add_cpu(Rows& rows, wire::Guest& guest) {
  std::uint64_t workload_ns = programs_.removed_cpu_ns();
  for (const CpuWalk& walk : cpu_walks_) {
    if (served_.has(figure::cpu_usage_ns) && !walk.rows.empty() && (walk.rows[ROW_ROOT].kinds & CPU_TIMES) != 0) {
      guest.cpu_usage_ns = walk.rows[ROW_ROOT].usage_ns;
    }
    if (walk.rows.size() > ROW_REST && (walk.rows[ROW_REST].kinds & CPU_TIMES) != 0) {
      workload_ns += walk.rows[ROW_REST].usage_ns;
    }
    for (const cpu_record& record : containers_of(walk.rows)) {
      wire::Container* row = row_of(rows, walk.hierarchy, walk.paths, record.id);
      if (row == nullptr) continue;
      if ((record.kinds & CPU_TIMES) != 0) workload_ns += record.usage_ns;
      set_cpu(*row, record, served_.figures);
      if (walk.hierarchy == served_.tasks_hierarchy) add_tasks(*row, record.id);
    }
  }
  if (served_.has(figure::cpu_usage_ns)) guest.workload_cpu_usage_ns = workload_ns;
}

void Collector::add_memory(Rows& rows) {
  memory_.begin();
  for (std::size_t i = FIRST_ROW; i < memory_rows_.size(); ++i) {
    const memory_record& record = memory_rows_[i];
    wire::Container* row = row_of(rows, Hierarchy::memory, memory_paths_, record.id);
    if (row == nullptr) continue;
    set_memory(*row, record, served_.figures, served_.unified_memory);
    if (i < numa_.size()) set_numa(*row, numa_[i], served_.figures);
    memory_.raise(record.id, *row);
    if (served_.tasks_hierarchy == Hierarchy::memory) add_tasks(*row, record.id);
  }
}

void Collector::add_pressure(Rows& rows) {
  for (const pressure_record& record : pressure_walk_) {
    const auto id = tasks_paths().container_of(record.id);
    // A row only if its CPU time has one: one that was just removed has neither.
    const auto row = id ? rows.find(*id) : rows.end();
    if (row != rows.end()) set_pressure(row->second, record.totals, served_.figures);
  }
}

void Collector::add_virtiofs(Rows& rows, wire::Guest& guest) const {
  if (served_.has(figure::processes)) {
    guest.virtiofs_requests = programs_.virtiofs_requests();
    guest.virtiofs_waiting = programs_.virtiofs_waiting();
  }
  if (!served_.has(FigureGroup::virtiofs)) return;
  for (const virtiofs_record& record : virtiofs_) {
    const auto id = tasks_paths().container_of(record.id);
    const auto row = id ? rows.find(*id) : rows.end();
    if (row != rows.end()) set_virtiofs(row->second, record.sums, served_.figures);
  }
  const auto requests_of = [&](std::size_t whose) {
    std::uint64_t requests = 0;
    for (std::size_t kind = 0; kind < VIRTIOFS_KINDS; ++kind) requests += programs_.virtiofs_of(whose, kind);
    return requests;
  };
  guest.virtiofs_system_requests = requests_of(VIRTIOFS_OF_SYSTEM);
  guest.virtiofs_unknown_requests = requests_of(VIRTIOFS_OF_UNKNOWN);
  guest.virtiofs_system_read_bytes = programs_.virtiofs_of(VIRTIOFS_OF_SYSTEM, VIRTIOFS_READ_BYTES);
  guest.virtiofs_unknown_read_bytes = programs_.virtiofs_of(VIRTIOFS_OF_UNKNOWN, VIRTIOFS_READ_BYTES);
  guest.virtiofs_system_written_bytes = programs_.virtiofs_of(VIRTIOFS_OF_SYSTEM, VIRTIOFS_WRITTEN_BYTES);
  guest.virtiofs_unknown_written_bytes = programs_.virtiofs_of(VIRTIOFS_OF_UNKNOWN, VIRTIOFS_WRITTEN_BYTES);
  guest.virtiofs_lost = programs_.virtiofs_lost();
}

void Collector::add_io(Rows& rows, wire::Guest& guest) {
  std::uint64_t left_out = io_beyond_ + programs_.io_lost();
  io_.begin();
  for (ContainerIo& io : account_io(io_walk_)) {
    // One that is met here and not by the other walks has just been made, or is going.
    wire::Container* row = row_of(rows, Hierarchy::io, io_paths(), io.cgroup_id);
    if (row == nullptr) continue;
    io_.raise(io);
    left_out += set_io(*row, io.devices);
  }
  guest.block_devices_unreported = left_out + removed_.block_devices_left_out();
}

void Collector::add_hugetlb(Rows& rows) {
  for (const hugetlb_record& record : hugetlb_) {
    wire::Container* row = row_of(rows, Hierarchy::hugetlb, hugetlb_paths(), record.id);
    if (row != nullptr) set_hugetlb(*row, record.counts, served_.figures);
  }
}

const CgroupPaths& Collector::tasks_paths() const {
  for (const CpuWalk& walk : cpu_walks_) {
    if (walk.hierarchy == served_.tasks_hierarchy) return walk.paths;
  }
  return memory_paths_;
}

void Collector::add_tasks(wire::Container& row, std::uint64_t cgroup_id) {
  const TaskAccount::OfContainer tasks = tasks_.of_container(cgroup_id);
  set_tasks(row, tasks, served_.figures);
  if (!served_.has(figure::start_boottime_ns)) return;
  if (tasks.first_start_ns && !start_times_.find(cgroup_id)) start_times_.guess(cgroup_id, *tasks.first_start_ns);
  row.start_boottime_ns = start_times_.find(cgroup_id);
}

void Collector::add_system_cpu(wire::Guest& guest) const {
  if (!served_.has(figure::processes) || !served_.has(figure::cpu_usage_ns)) return;
  guest.kernel_cpu_usage_ns = tasks_.cpu_ns(TaskAccount::Owner::kernel);
  guest.agent_cpu_usage_ns = tasks_.cpu_ns(TaskAccount::Owner::agent);
  guest.probe_cpu_usage_ns = tasks_.cpu_ns(TaskAccount::Owner::probe);
}

}  // namespace katameter::guest
