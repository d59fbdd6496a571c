#include "guest-probe/self_check/self_check.h"

#include <algorithm>

#include "guest-probe/self_check/check_cgroup.h"
#include "guest-probe/self_check/memory_files.h"
#include "guest-probe/self_check/self_check_memory.h"

namespace katameter {
namespace {

Status read_files(const CheckCgroup& cgroup, const ServedFigures& served, FileFigures& figures) {
  const auto take = [](const Result<std::uint64_t>& value, std::uint64_t& target) -> Status {
    if (!value) return failure_from(value.error());
    target = *value;
    return {};
  };
  if (served.cpu) {
    if (Status status = take(cgroup.read_cpuacct("cpuacct.usage"), figures.cpu_usage_ns); !status) return status;
  }
  if (Status status = read_cpu_files(cgroup, served.cpu_fields, figures.cpu); !status) return status;
  if (!served.memory) return {};
  return read_memory_files(cgroup.memory_directory(), served.memory_fields.unified, figures);
}

template <typename Record>
std::optional<Record> find_record(const Walk<Record>& walk, std::uint64_t id) {
  const auto found = std::find_if(walk.containers().begin(), walk.containers().end(),
                                  [&](const Record& record) { return record.id == id; });
  if (found == walk.containers().end()) return std::nullopt;
  return *found;
}

// Each hierarchy gives out its own ids.
std::uint64_t id_in(const CheckCgroup& cgroup, Hierarchy hierarchy) {
  switch (hierarchy) {
    case Hierarchy::cpuacct: return cgroup.cpuacct_id();
    case Hierarchy::cpu: return cgroup.cpu_id();
    case Hierarchy::pids: return cgroup.pids_id();
    case Hierarchy::unified:  // self_check_unified.h
    case Hierarchy::io:       // has no cgroup of its own here
    case Hierarchy::memory: break;
  }
  return cgroup.memory_id();
}

// Both reads of the files came before and after the walk, so the kernel has shown the cgroup's times once.
void settle_times(std::optional<cpu_record>& cpu, ServedFigures& served) {
  if (!cpu) return;
  served.cpu_times_scaled = ShownTimes::scales(*cpu);
  ShownTimes(served.cpu_times_scaled).settle(*cpu);
}

}  // namespace

std::vector<Refusal> compare(const std::optional<cpu_record>& cpu, const std::optional<memory_record>& memory,
                             const FileFigures& before, const FileFigures& after, ServedFigures& served) {
  std::vector<Refusal> refusals;
  judge_figure(refusals, "cpu_usage_ns", cpu ? std::optional(cpu->usage_ns) : std::nullopt, before.cpu_usage_ns,
               after.cpu_usage_ns, served.cpu);
  compare_cpu(cpu, before.cpu, after.cpu, served.cpu_fields, refusals);
  if (served.memory) compare_memory(memory, before, after, served.memory_fields, refusals);
  return refusals;
}

Result<std::vector<Refusal>> self_check(GuestPrograms& programs, const CheckCgroup& cgroup, ServedFigures& served) {
  ServedFigures compared = served;
  compared.memory = served.memory && cgroup.has_memory();
  FileFigures before;
  FileFigures after;
  before.held_anonymous_bytes = CheckCgroup::kept_bytes;
  before.held_file_bytes = CheckCgroup::file_bytes;
  std::optional<cpu_record> cpu;
  std::optional<memory_record> memory;
  if (Status status = read_files(cgroup, compared, before); !status) return failure_from(status.error());
  for (const Hierarchy hierarchy : served.cpu_walks) {
    const Result<Walk<cpu_record>> walk = programs.walk_cpu(hierarchy);
    if (!walk) return failure_from(walk.error());
    if (const auto record = find_record(*walk, id_in(cgroup, hierarchy))) join_records(cpu, *record);
  }
  if (compared.memory) {
    const Result<Walk<memory_record>> walk = programs.walk_memory();
    if (!walk) return failure_from(walk.error());
    memory = find_record(*walk, cgroup.memory_id());
  }
  if (Status status = read_files(cgroup, compared, after); !status) return failure_from(status.error());
  settle_times(cpu, compared);
  std::vector<Refusal> refusals = compare(cpu, memory, before, after, compared);
  compared.memory = served.memory;
  served = compared;
  return refusals;
}

}  // namespace katameter
