#include "guest-probe/self_check/self_check_tasks.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "userspace/cgroup_mounts.h"

namespace katameter::guest {
namespace {

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
    case Hierarchy::pids: break;
  }
  return "cpuacct";
}

// Lines of /proc/self/cgroup: "ID:CONTROLLERS:PATH", with no controllers in cgroup v2's.
std::uint64_t own_cgroup_id(Hierarchy hierarchy) {
  const Result<CgroupMounts> mounts = read_cgroup_mounts();
  if (!mounts) return 0;
  const std::string controller = controller_of(hierarchy);
  const auto v1 = mounts->v1.find(controller);
  const std::string wanted = v1 == mounts->v1.end() ? "" : controller;
  const std::string& mount = v1 == mounts->v1.end() ? mounts->v2 : v1->second;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t controllers = line.find(':') + 1;
    const std::size_t path = line.find(':', controllers) + 1;
    const std::string names = "," + line.substr(controllers, path - 1 - controllers) + ",";
    if (names != ",," && (wanted.empty() || names.find("," + wanted + ",") == std::string::npos)) continue;
    if (names == ",," && !wanted.empty()) continue;
    struct stat found {};
    return stat((mount + line.substr(path)).c_str(), &found) == 0 ? found.st_ino : 0;
  }
  return 0;
}

}  // namespace

std::vector<Refusal> compare_tasks(const std::optional<task_record>& record, const OwnTask& own,
                                   ServedFigures& served) {
  std::vector<Refusal> refusals;
  const auto refuse = [&](std::string text) {
    served.figures.remove(figure::processes);
    refusals.push_back({"processes", std::move(text)});
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
  return refusals;
}

Result<std::vector<Refusal>> self_check_tasks(GuestPrograms& programs, ServedFigures& served) {
  OwnTask own;
  std::optional<task_record> record;
  own.cgroup_id = own_cgroup_id(served.tasks_hierarchy);
  own.start_ticks = own_start_ticks();
  own.cpu_before_ns = own_cpu_ns();
  const Status walked = programs.walk_tasks([&](const task_record& each) {
    if (each.pid == static_cast<std::uint32_t>(getpid())) record = each;
  });
  if (!walked) return failure_from(walked.error());
  own.cpu_after_ns = own_cpu_ns();
  return compare_tasks(record, own, served);
}

}  // namespace katameter::guest
