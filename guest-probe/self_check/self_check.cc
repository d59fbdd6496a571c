#include "guest-probe/self_check/self_check.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string>

#include "guest-probe/account/cpu.h"
#include "guest-probe/account/memory.h"
#include "guest-probe/account/pressure.h"
#include "guest-probe/bpf/cgroup_mounts.h"
#include "guest-probe/self_check/check_cgroup.h"

namespace katameter::guest {
namespace {

constexpr int attempts_at_living = 3;
constexpr FigureSet cpu_groups{FigureGroup::cpu, FigureGroup::bandwidth, FigureGroup::pids, FigureGroup::cpuset};

std::string show(std::optional<std::uint64_t> value) {
  if (!value) return "nothing";
  return *value == no_limit ? "no limit" : std::to_string(*value);
}

std::string name_of(std::size_t figure) {
  return std::string(wire::container_figures[figure].name);
}

// A row's figures of one group; a limit that is not set has a value here.
void put_row(const wire::Container& row, FigureGroup group, FigureValues& values) {
  for (std::size_t i = 0; i < figure::count; ++i) {
    const wire::ContainerFigure& figure = wire::container_figures[i];
    if (figure.group != group) continue;
    values[i] = row.*figure.value;
    if (!values[i] && figure.kind == FigureKind::limit) values[i] = no_limit;
  }
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
    case Hierarchy::cpu: return cgroup.cpu_id();
    case Hierarchy::pids: return cgroup.pids_id();
    default: return cgroup.cpuacct_id();
  }
}

// Without a quota a row does not have what CFS has counted.
void remove_cfs(FigureSet& figures) {
  for (const figure::Index each : {figure::cfs_periods, figure::cfs_throttled_periods, figure::cfs_throttled_ns,
                                   figure::cfs_burst_periods, figure::cfs_burst_ns}) {
    figures.remove(each);
  }
}

Result<std::optional<cpu_record>> read_cpu(GuestPrograms& programs, const CheckCgroup& cgroup, Hierarchy hierarchy) {
  const std::uint64_t id = id_in(cgroup, hierarchy);
  if (hierarchy != Hierarchy::unified) {
    const Result<Walk<cpu_record>> walk = programs.walk_cpu(hierarchy);
    if (!walk) return failure_from(walk.error());
    return find_record(*walk, id);
  }
  const Result<Walk<unified_record>> walk = programs.walk_unified();
  if (!walk) return failure_from(walk.error());
  for (const unified_record& record : walk->containers()) {
    if (record.cpu.id == id) return std::optional(record.cpu);
  }
  return std::optional<cpu_record>();
}

std::uint64_t own_cpu_ns() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(used.tv_nsec);
}

// proc(5): field 22 of stat; the second one, a name in parentheses, may hold anything.
std::uint64_t own_start_ticks() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) rest >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

const char* controller_of(Hierarchy hierarchy) {
  switch (hierarchy) {
    case Hierarchy::memory: return "memory";
    case Hierarchy::unified: return "";
    case Hierarchy::cpuacct:
    case Hierarchy::cpu:
    case Hierarchy::io:
    case Hierarchy::hugetlb:
    case Hierarchy::pids:
    case Hierarchy::cpuset: break;
  }
  return "cpuacct";
}

std::uint64_t own_cgroup_id(Hierarchy hierarchy) {
  const Result<CgroupMounts> mounts = read_cgroup_mounts();
  if (!mounts) return 0;
  const std::string controller = controller_of(hierarchy);
  const auto v1 = mounts->v1.find(controller);
  const std::string own = own_cgroup_of(v1 == mounts->v1.end() ? "" : controller);
  const std::string& mount = v1 == mounts->v1.end() ? mounts->v2 : v1->second;
  struct stat found {};
  return !own.empty() && stat((mount + own).c_str(), &found) == 0 ? found.st_ino : 0;
}

}  // namespace

std::vector<Mismatch> compare(const FigureValues& ours, const FigureValues& before, const FigureValues& after,
                              const CgroupDirectories& directories, const FigureSet& compared, FigureSet& served) {
  std::vector<Mismatch> mismatches;
  for (std::size_t i = 0; i < figure::count; ++i) {
    const FigureFile& file = file_of(i, is_unified(directories, i));
    if (!compared.has(i) || !served.has(i) || file.name == nullptr) continue;
    std::optional<std::uint64_t> low = before[i];
    std::optional<std::uint64_t> high = after[i];
    if (i == figure::memory_peak_bytes && !high) {
      low = before[figure::memory_usage_bytes];
      high = after[figure::memory_limit_bytes];
    }
    if (!low || !high) {
      mismatches.push_back({name_of(i), "this kernel does not count it, or has it switched off", true});
      served.remove(i);
      continue;
    }
    if (*low > *high) std::swap(low, high);
    if (ours[i] && *ours[i] >= *low && *ours[i] - *low <= *high - *low + (grain_of(file) - 1)) continue;
    mismatches.push_back({name_of(i), fmt::format("the kernel's file says {} to {}, BPF read {}", show(low), show(high),
                                                  show(ours[i]))});
    served.remove(i);
  }
  return mismatches;
}

void put_values(const cpu_record& record, FigureValues& values) {
  wire::Container row;
  set_cpu(row, record, FigureSet::all());
  if ((record.kinds & CPU_TIMES) != 0) put_row(row, FigureGroup::cpu, values);
  if ((record.kinds & CPU_BANDWIDTH) != 0) put_row(row, FigureGroup::bandwidth, values);
  if ((record.kinds & CPU_TASKS) != 0) put_row(row, FigureGroup::pids, values);
  if ((record.kinds & CPU_CPUSET) != 0) put_row(row, FigureGroup::cpuset, values);
}

void put_values(const memory_record& record, bool unified, FigureValues& values) {
  wire::Container row;
  set_memory(row, record, FigureSet::all(), unified);
  put_row(row, FigureGroup::memory, values);
  const auto page = static_cast<std::uint64_t>(getpagesize());
  for (std::size_t i = 0; i < figure::count; ++i) {
    const int index = stat_of(i, unified);
    if (index < 0) continue;
    const auto stat = static_cast<std::size_t>(index);
    values[i].reset();
    if (record.stat[stat] < 0) continue;
    values[i] = static_cast<std::uint64_t>(record.stat[stat]) * stat_unit(stat, page);
  }
}

void put_values(const pressure_totals& totals, FigureValues& values) {
  wire::Container row;
  set_pressure(row, totals, FigureSet::all());
  put_row(row, FigureGroup::pressure, values);
}

std::vector<Mismatch> compare_held(const memory_record& record, std::uint64_t anonymous_bytes, std::uint64_t file_bytes,
                                   bool unified, FigureSet& served) {
  struct Held {
    int stat;
    std::uint64_t least;
  };
  const auto page = static_cast<std::uint64_t>(getpagesize());
  const std::array held{Held{STAT_ANON, anonymous_bytes / page}, Held{STAT_FILE, file_bytes / page},
                        Held{STAT_MAPPED_FILE, file_bytes / page},
                        Held{STAT_FAULTS, anonymous_bytes > 0 ? std::uint64_t{1} : 0}};
  std::vector<Mismatch> mismatches;
  for (std::size_t i = 0; i < figure::count; ++i) {
    for (const auto& [stat, least] : held) {
      if (stat_of(i, unified) != stat || !served.has(i)) continue;
      const std::int64_t ours = record.stat[stat] + record.pending[stat];
      if (ours >= static_cast<std::int64_t>(least)) continue;
      served.remove(i);
      mismatches.push_back({name_of(i), fmt::format("a process holds {}, BPF read {}", least, ours)});
    }
  }
  return mismatches;
}

std::vector<Mismatch> compare_busy(const pressure_totals& totals, std::uint64_t min_busy_ns, std::uint64_t max_busy_ns,
                                   FigureSet& served) {
  std::vector<Mismatch> mismatches;
  if (totals.busy_ns >= min_busy_ns && totals.busy_ns <= max_busy_ns) return mismatches;
  for (std::size_t i = 0; i < figure::count; ++i) {
    if (wire::container_figures[i].group != FigureGroup::pressure || !served.has(i)) continue;
    served.remove(i);
    mismatches.push_back({name_of(i), fmt::format("a cgroup was busy for {} to {} ns, BPF read {}", min_busy_ns,
                                                  max_busy_ns, totals.busy_ns)});
  }
  return mismatches;
}

Result<std::vector<Mismatch>> check_cpu(GuestPrograms& programs, const CheckCgroup& cgroup, ServedFigures& served) {
  FigureSet compared = served.figures & cpu_groups;
  CgroupDirectories directories = cgroup.directories();
  FigureValues ours;
  bool scaled = served.cpu_times_scaled;
  directories.unified =
      std::find(served.cpu_walks.begin(), served.cpu_walks.end(), Hierarchy::unified) != served.cpu_walks.end();
  const Result<FigureValues> before = read_kernel_files(directories, compared);
  if (!before) return failure_from(before.error());
  std::vector<cpu_record> records;
  for (const Hierarchy hierarchy : served.cpu_walks) {
    if (hierarchy == Hierarchy::cpuset) continue;
    const Result<std::optional<cpu_record>> record = read_cpu(programs, cgroup, hierarchy);
    if (!record) return failure_from(record.error());
    if (*record) records.push_back(**record);
  }
  const Result<FigureValues> after = read_kernel_files(directories, compared);
  if (!after) return failure_from(after.error());

  for (cpu_record& record : records) {
    if ((record.kinds & CPU_TIMES) != 0) {
      // Both reads of the files came before and after the walk, so the kernel has shown the cgroup's times once.
      if (!directories.unified) scaled = ShownTimes::scales(record);
      ShownTimes(scaled).clamp(record);
    }
    put_values(record, ours);
  }
  if (ours[figure::cpu_quota_us] == no_limit) remove_cfs(compared);
  // What a controller does not keep of a cgroup of v2, because it is not enabled there, is not compared.
  const std::uint32_t kinds = records.empty() ? 0 : records.front().kinds;
  if (directories.unified && (kinds & CPU_BANDWIDTH) == 0) compared.remove(FigureGroup::bandwidth);
  if (directories.unified && (kinds & CPU_TASKS) == 0) compared.remove(FigureGroup::pids);
  // In v1 a cgroup has no CPUs until it is given some, and takes no process before.
  if (!directories.unified || (kinds & CPU_CPUSET) == 0) compared.remove(FigureGroup::cpuset);
  served.cpu_times_scaled = scaled;
  return compare(ours, *before, *after, directories, compared, served.figures);
}

Result<std::vector<Mismatch>> check_memory(GuestPrograms& programs, const CheckCgroup& cgroup, ServedFigures& served) {
  if (!cgroup.has_memory()) return std::vector<Mismatch>();
  CgroupDirectories directories = cgroup.directories();
  directories.unified_memory = served.unified_memory;
  const FigureSet compared = served.figures & FigureSet{FigureGroup::memory};
  const Result<FigureValues> before = read_kernel_files(directories, compared);
  if (!before) return failure_from(before.error());
  const Result<Walk<memory_record>> walk = programs.walk_memory();
  if (!walk) return failure_from(walk.error());
  const std::optional<memory_record> record = find_record(*walk, cgroup.memory_id());
  const Result<FigureValues> after = read_kernel_files(directories, compared);
  if (!after) return failure_from(after.error());

  FigureValues ours;
  if (record) put_values(*record, served.unified_memory, ours);
  std::vector<Mismatch> mismatches = compare(ours, *before, *after, directories, compared, served.figures);
  if (!record) return mismatches;
  const std::vector<Mismatch> held =
      compare_held(*record, CheckCgroup::kept_bytes, CheckCgroup::file_bytes, served.unified_memory, served.figures);
  mismatches.insert(mismatches.end(), held.begin(), held.end());
  return mismatches;
}

Result<std::vector<Mismatch>> check_pressure(GuestPrograms& programs, const CheckCgroup& cgroup, int cpus,
                                             ServedFigures& served) {
  CgroupDirectories directories = cgroup.directories();
  directories.unified = true;
  constexpr FigureSet compared{FigureGroup::pressure};
  const Result<FigureValues> before = read_kernel_files(directories, compared);
  if (!before) return failure_from(before.error());
  const Result<Walk<pressure_record>> walk = programs.walk_pressure();
  if (!walk) return failure_from(walk.error());
  const std::optional<pressure_record> record = find_record(*walk, cgroup.cpuacct_id());
  const Result<FigureValues> after = read_kernel_files(directories, compared);
  if (!after) return failure_from(after.error());

  const pressure_totals totals = record ? record->totals : pressure_totals{};
  FigureValues ours;
  put_values(totals, ours);
  served.figures.add(FigureGroup::pressure);
  std::vector<Mismatch> mismatches = compare(ours, *before, *after, directories, compared, served.figures);
  // What its process did since the scheduler's clock was last seen may not be known yet.
  const std::uint64_t max_busy_ns = cgroup.age_ns() * static_cast<std::uint64_t>(cpus);
  const auto idle = compare_busy(totals, CheckCgroup::burnt_ns / 2, max_busy_ns, served.figures);
  mismatches.insert(mismatches.end(), idle.begin(), idle.end());
  return mismatches;
}

std::optional<std::vector<Mismatch>> compare_living(GuestPrograms& programs, const std::string& directory, bool unified,
                                                    FigureSet& served) {
  struct stat found {};  // not by access(), which the system call filter refuses
  if (stat(directory.c_str(), &found) != 0) return std::nullopt;
  CgroupDirectories directories;
  directories.memory = directory;
  directories.unified_memory = unified;
  // These two have no file of their own: with cgroup v2 there was none for failcnt before 6.15, v1 leaves the kills of
  // nested cgroups to these.
  FigureSet compared = served & FigureSet{FigureGroup::memory};
  compared.remove(figure::memory_failcnt);
  compared.remove(figure::oom_kills);
  for (int attempt = 0; attempt < attempts_at_living; ++attempt) {
    const Result<FigureValues> before = read_kernel_files(directories, compared);
    const Result<Walk<memory_record>> walk = programs.walk_memory();
    if (!before || !walk) return std::nullopt;
    const std::optional<memory_record> record = find_record(*walk, found.st_ino);
    const Result<FigureValues> after = read_kernel_files(directories, compared);
    if (!record || !after) return std::nullopt;
    // The container has ended meanwhile: a walk still meets a cgroup whose files are gone.
    if (!(*before)[figure::memory_usage_bytes] || !(*after)[figure::memory_usage_bytes]) return std::nullopt;
    if (*before != *after) continue;
    FigureValues ours;
    put_values(*record, unified, ours);
    return compare(ours, *before, *after, directories, compared, served);
  }
  return std::nullopt;
}

std::vector<Mismatch> compare_tasks(const std::optional<task_record>& record, const OwnTask& own,
                                    ServedFigures& served) {
  std::vector<Mismatch> mismatches;
  const auto refuse = [&](std::string text) {
    served.figures.remove(FigureGroup::processes);
    mismatches.push_back({"processes", std::move(text)});
  };
  constexpr std::uint32_t flags = TASK_LEADER | TASK_PROCESS;
  if (!record) {
    refuse("the walk over tasks did not meet guest-probe itself");
  } else if ((record->flags & (flags | TASK_KERNEL)) != flags) {
    refuse(fmt::format("guest-probe is a process with one thread, BPF read flags {:#x}", record->flags));
  } else if (record->cpu_ns < own.cpu_before_ns || record->cpu_ns > own.cpu_after_ns) {
    refuse(fmt::format("guest-probe has used {} to {} ns, BPF read {}", own.cpu_before_ns, own.cpu_after_ns,
                       record->cpu_ns));
  } else if (record->start_boottime_ns / file_tick_ns() != own.start_ticks) {
    refuse(fmt::format("guest-probe began at tick {}, BPF read {} ns", own.start_ticks, record->start_boottime_ns));
  } else if (own.cgroup_id != 0 && record->cgroup_id != own.cgroup_id) {
    refuse(fmt::format("guest-probe is in cgroup {}, BPF read {}", own.cgroup_id, record->cgroup_id));
  }
  return mismatches;
}

Result<std::vector<Mismatch>> self_check_tasks(GuestPrograms& programs, ServedFigures& served) {
  OwnTask own;
  std::optional<task_record> record;
  own.cgroup_id = own_cgroup_id(served.tasks_hierarchy);
  own.start_ticks = own_start_ticks();
  own.cpu_before_ns = own_cpu_ns();
  const Status walked = programs.walk_tasks([&](const task_record& each) {
    if ((each.flags & TASK_CONTAINER) == 0 && each.pid == static_cast<std::uint32_t>(getpid())) record = each;
  });
  if (!walked) return failure_from(walked.error());
  own.cpu_after_ns = own_cpu_ns();
  return compare_tasks(record, own, served);
}

}  // namespace katameter::guest
