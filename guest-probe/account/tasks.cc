#include "guest-probe/account/tasks.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {
namespace {

constexpr bool is_thread_state(std::size_t figure) {
  return figure >= figure::threads_running && figure <= figure::threads_io_waiting;
}

}  // namespace

void TaskAccount::begin() {
  containers_.clear();
  now_.clear();
}

void TaskAccount::add(const task_record& record) {
  if ((record.flags & TASK_THREADS) != 0) {
    threads_record threads;
    std::memcpy(&threads, &record, sizeof(threads));
    add_threads(threads);
    return;
  }
  // What runs in a container is paid by the container, be it a thread of the kernel.
  if (record.container_id == 0) {
    if (const auto owner = owner_of(record)) usage_of(record, *owner).cpu_ns += record.cpu_ns;
    return;
  }
  OfContainer& container = containers_[record.container_id];
  if (const std::uint32_t state = record.flags >> TASK_STATE_SHIFT; state > 0 && state <= THREAD_STATES) {
    ++container.threads[state - 1];
  }
  if ((record.flags & TASK_PROCESS) == 0) return;
  ++container.processes;
  if (container.first_start_ns && *container.first_start_ns <= record.start_boottime_ns) return;
  container.first_start_ns = record.start_boottime_ns;
  container.max_open_files = record.max_open_files;
}

void TaskAccount::add_threads(const threads_record& record) {
  OfContainer& container = containers_[record.container_id];
  for (std::size_t state = 0; state < THREAD_STATES; ++state) container.threads[state] += record.count[state];
}

std::optional<TaskAccount::Owner> TaskAccount::owner_of(const task_record& record) const {
  if ((record.flags & TASK_KERNEL) != 0) return Owner::kernel;
  if (record.tgid == own_tgid_) return Owner::probe;
  if ((record.flags & TASK_AGENT) != 0) return Owner::agent;
  return std::nullopt;
}

TaskAccount::Usage& TaskAccount::usage_of(const task_record& record, Owner owner) {
  // Threads have their process' entry; most records are of kernel threads, each of which is alone.
  auto found = now_.end();
  if (owner != Owner::kernel) {
    found = std::find_if(now_.begin(), now_.end(), [&](const Usage& usage) { return usage.tgid == record.tgid; });
  }
  Usage& usage = found != now_.end() ? *found : now_.emplace_back();
  usage.tgid = record.tgid;
  usage.owner = owner;
  if ((record.flags & TASK_LEADER) != 0) usage.start_ns = record.start_boottime_ns;
  return usage;
}

void TaskAccount::continue_usages() {
  std::sort(now_.begin(), now_.end(), [](const Usage& a, const Usage& b) { return a.tgid < b.tgid; });
  for (const Usage& last : last_) {
    const auto same = std::lower_bound(now_.begin(), now_.end(), last.tgid,
                                       [](const Usage& usage, std::uint32_t tgid) { return usage.tgid < tgid; });
    if (same != now_.end() && same->tgid == last.tgid && same->start_ns == last.start_ns && same->owner == last.owner) {
      // A thread that died in the middle of a walk was in neither of its process' sums.
      same->cpu_ns = std::max(same->cpu_ns, last.cpu_ns);
    } else {
      ended_ns_[static_cast<std::size_t>(last.owner)] += last.cpu_ns;
    }
  }
  std::swap(last_, now_);
}

TaskAccount::OfContainer TaskAccount::of_container(std::uint64_t cgroup_id) const {
  const auto found = containers_.find(cgroup_id);
  return found == containers_.end() ? OfContainer{} : found->second;
}

std::uint64_t TaskAccount::cpu_ns(Owner owner) const {
  std::uint64_t sum = ended_ns_[static_cast<std::size_t>(owner)];
  for (const Usage& usage : last_) sum += usage.owner == owner ? usage.cpu_ns : 0;
  return sum;
}

void set_tasks(wire::Container& row, const TaskAccount::OfContainer& tasks, const FigureSet& served) {
  set_figure<figure::processes>(row, served, tasks.processes);
  for (const std::size_t figure : figures_where<&is_thread_state>) {
    if (!served.has(figure)) continue;
    row.*wire::container_figures[figure].value = tasks.threads[static_cast<std::size_t>(figure_sources[figure].index)];
  }
  if (tasks.first_start_ns) set_figure<figure::max_open_files>(row, served, tasks.max_open_files);
}

void SchedAccount::begin() {
  sums_.clear();
  last_finals_ = std::exchange(finals_, {});
}

void SchedAccount::end(const CgroupPaths& paths) {
  for (const auto& [id, sums] : sums_) {
    if (owners_.contains(id)) continue;
    if (const auto container = paths.container_of(id)) owners_.emplace(id, *container);
  }
  std::erase_if(owners_, [&](const auto& owner) { return !sums_.contains(owner.first); });

  std::unordered_map<ContainerId, Sums> containers;
  for (const auto& [id, owner] : owners_) {
    Sums& container = containers[owner];
    for (std::size_t i = 0; i < SCHED_FIGURES; ++i) container[i] += sums_[id].sum[i];
  }
  // A cgroup that is long gone may have had to give way in the kernel's map.
  containers_.begin();
  for (auto& [id, now] : containers) containers_.raise(id, now);
}

void SchedAccount::complete(wire::Container& row) {
  const Sums* found = containers_.find(row.id);
  Sums sums = found == nullptr ? Sums{} : *found;
  if (row.removed) {
    const auto reported = last_finals_.find(row.id);
    if (reported != last_finals_.end()) sums = reported->second;
    finals_.emplace(row.id, sums);
  }
  set_figures<FigureGroup::schedstat>(row, {FigureGroup::schedstat}, [&](std::size_t index) { return sums[index]; });
}

}  // namespace katameter::guest
