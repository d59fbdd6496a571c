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
  if ((record.flags & TASK_CONTAINER) != 0) {
    container_tasks sums;
    std::memcpy(&sums, &record, sizeof(sums));
    add_container(sums);
    return;
  }
  // What runs in a container is paid by the container.
  if (record.container_id != 0) return;
  if (const auto owner = owner_of(record)) usage_of(record, *owner).cpu_ns += record.cpu_ns;
}

void TaskAccount::add_container(const container_tasks& sums) {
  OfContainer& container = containers_[sums.container_id];
  container.processes += sums.processes;
  for (std::size_t state = 0; state < THREAD_STATES; ++state) container.threads[state] += sums.threads[state];
  if (sums.descriptors == DESCRIPTORS_UNKNOWN) container.descriptors = DESCRIPTORS_UNKNOWN;
  if (container.descriptors != DESCRIPTORS_UNKNOWN) {
    container.descriptors += sums.descriptors;
    container.sockets += sums.sockets;
  }
  if (sums.processes == 0) return;
  if (container.first_start_ns && *container.first_start_ns <= sums.first_start_ns) return;
  container.first_start_ns = sums.first_start_ns;
  container.max_open_files = sums.max_open_files;
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
  // The walk goes by process id, so they are sorted but for threads that have a number below their leader's.
  const auto by_tgid = [](const Usage& a, const Usage& b) { return a.tgid < b.tgid; };
  if (!std::is_sorted(now_.begin(), now_.end(), by_tgid)) std::sort(now_.begin(), now_.end(), by_tgid);
  auto same = now_.begin();
  for (const Usage& last : last_) {
    same = std::find_if(same, now_.end(), [&](const Usage& usage) { return usage.tgid >= last.tgid; });
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
  if (tasks.descriptors != DESCRIPTORS_UNKNOWN) {
    set_figure<figure::file_descriptors>(row, served, tasks.descriptors);
    set_figure<figure::sockets>(row, served, tasks.sockets);
  }
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

void SchedAccount::complete(wire::Container& row, const FigureSet& served) {
  const Sums* found = containers_.find(row.id);
  Sums sums = found == nullptr ? Sums{} : *found;
  if (row.removed) {
    const auto reported = last_finals_.find(row.id);
    if (reported != last_finals_.end()) sums = reported->second;
    finals_.emplace(row.id, sums);
  }
  const auto value_of = [&](std::size_t index) { return sums[index]; };
  set_figures<FigureGroup::schedstat>(row, served, value_of);
  set_figures<FigureGroup::io_calls>(row, served, value_of);
}

}  // namespace katameter::guest
