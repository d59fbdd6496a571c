#include "guest-probe/collector.h"

#include <time.h>

#include <algorithm>

#include "guest-probe/containers.h"
#include "guest-probe/cpu_account.h"

namespace katameter {
namespace {

constexpr std::size_t removed_kept = 1024;
// A CPU hands in every 32 pages, so on a busy guest a pair of walks may be disturbed several times in a row.
constexpr int walks_at_most = 10;

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

}  // namespace

Collector::Collector(GuestPrograms& programs, const ServedFigures& served, int possible_cpus)
    : programs_(programs), served_(served), cpus_(possible_cpus), removed_(removed_kept) {}

Result<wire::Snapshot> Collector::collect(std::uint64_t request) {
  if (Status status = read_kernel(); !status) return failure_from(status.error());

  wire::Snapshot snapshot;
  snapshot.request = request;
  snapshot.sequence = ++sequence_;
  snapshot.boottime_ns = boottime_ns();
  snapshot.guest.oom_events_lost = programs_.status().oom_events_lost;
  snapshot.guest.containers_unreported = cgroups_beyond_ + programs_.status().removals_lost + removed_.forgotten();

  Rows rows;
  if (served_.cpu) add_cpu(rows, snapshot.guest);
  if (served_.memory) add_memory(rows);
  removed_.report(rows, sequence_);
  for (auto& [id, row] : rows) snapshot.containers.push_back(std::move(row));
  return snapshot;
}

Status Collector::read_kernel() {
  cgroups_beyond_ = 0;
  if (Status status = cpus_.refresh(programs_); !status) return status;
  if (Status status = read_cpu(); !status) return status;
  if (Status status = read_memory(); !status) return status;
  if (Status status = learn_names(); !status) return status;
  // Last: what is removed after its walk is then known from both, and counted once; before it, nothing is missed.
  return take_removed();
}

Status Collector::read_cpu() {
  cpu_walk_.clear();
  if (!served_.cpu) return {};
  const Result<Walk<cpu_record>> walk = programs_.walk_cpu();
  if (!walk) return failure_from(walk.error());
  cpu_walk_.assign(walk->records.begin(), walk->records.end());
  cgroups_beyond_ = std::max(cgroups_beyond_, std::uint64_t{walk->visited - walk->records.size()});
  return {};
}

Status Collector::read_memory() {
  memory_walk_.clear();
  if (!served_.memory) return {};
  for (int i = 0; i < walks_at_most; ++i) {
    const Result<Walk<memory_record>> walk = programs_.walk_memory();
    if (!walk) return failure_from(walk.error());
    const bool settled = walks_agree(memory_walk_, walk->records);
    memory_walk_.assign(walk->records.begin(), walk->records.end());
    cgroups_beyond_ = std::max(cgroups_beyond_, std::uint64_t{walk->visited - walk->records.size()});
    if (settled) break;
  }
  return {};
}

Status Collector::learn_names() {
  const auto learn = [&](Hierarchy hierarchy, CgroupPaths& paths) -> Status {
    const Result<std::vector<name_record>> names = programs_.walk_names(hierarchy);
    if (!names) return failure_from(names.error());
    paths.learn(*names);
    return {};
  };
  if (has_unknown(cpu_walk_, cpu_paths_)) {
    if (Status status = learn(Hierarchy::cpu, cpu_paths_); !status) return status;
  }
  if (has_unknown(memory_walk_, memory_paths_)) {
    if (Status status = learn(Hierarchy::memory, memory_paths_); !status) return status;
  }
  return {};
}

Status Collector::take_removed() {
  just_removed_.clear();
  Result<std::vector<Removed>> removed = programs_.take_removed();
  if (!removed) return failure_from(removed.error());
  for (auto& [id, record] : *removed) {
    if ((record.kinds & REMOVED_MEMORY) != 0) faults_.keep(id, record.memory);
    removed_.add(record, served_.memory_fields);
    just_removed_.push_back(id);
  }
  return {};
}

void Collector::add_cpu(Rows& rows, wire::Guest& guest) const {
  const CpuAccount account = account_cpu(cpu_walk_, cpu_paths_);
  std::uint64_t workload_ns = removed_.cpu_usage_ns();
  for (const auto& [id, container] : account.containers) {
    if (std::count(just_removed_.begin(), just_removed_.end(), container.cgroup_id) > 0) continue;
    workload_ns += container.usage_ns;
    wire::Container& row = rows[id];
    row.id = id;
    row.cgroup = *cpu_paths_.find(container.cgroup_id);
    row.cpu_usage_ns = container.usage_ns;
  }
  guest.cpu_usage_ns = account.root_ns;
  guest.workload_cpu_usage_ns = workload_ns;
}

void Collector::add_memory(Rows& rows) {
  faults_.begin();
  for (auto [id, memory] : account_memory(memory_walk_, memory_paths_, served_.memory_fields)) {
    if (std::count(just_removed_.begin(), just_removed_.end(), memory.cgroup_id) > 0) continue;
    wire::Container& row = rows[id];
    row.id = id;
    row.cgroup = *memory_paths_.find(memory.cgroup_id);
    faults_.keep(memory);
    set_memory(row, memory);
  }
}

}  // namespace katameter
