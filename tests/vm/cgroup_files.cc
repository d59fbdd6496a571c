#include "tests/vm/cgroup_files.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace katameter::guest {
namespace {

bool is_running(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string stat;
  std::getline(file, stat);
  const std::size_t name_end = stat.rfind(") ");
  return name_end != std::string::npos && stat.at(name_end + 2) == 'R';
}

bool has_running(const TestCgroup& cgroup) {
  std::ifstream processes(cgroup.file_path("cpuacct", "cgroup.procs"));
  for (std::string pid; processes >> pid;) {
    if (is_running(pid)) return true;
  }
  return false;
}

}  // namespace

CpuFile CpuFile::read(const TestCgroup& cgroup) {
  // With a grain of 1 ns: exactly this figure.
  if (cgroup.has("cpuacct", "cpuacct.usage")) return {cgroup.read("cpuacct", "cpuacct.usage"), 1};
  return {cgroup.read_table("cpu", "cpu.stat").at("usage_usec") * 1000, 1000};
}

bool lies_between(const CpuFile& before, std::uint64_t ours_ns, const CpuFile& after) {
  return ours_ns >= before.ns && ours_ns < after.ns + after.grain_ns;
}

bool equals(const CpuFile& file, std::uint64_t ours_ns) {
  return lies_between(file, ours_ns, file);
}

CpuFile operator+(const CpuFile& one, const CpuFile& other) {
  return {one.ns + other.ns, one.grain_ns + other.grain_ns};
}

CpuFile final_cpu(const TestCgroup& cgroup) {
  CpuFile last = CpuFile::read(cgroup);
  for (int same = 0; same < 2;) {
    usleep(2'000);
    // A CPU that the host lets wait looks like one that rests.
    const bool rests = !has_running(cgroup);
    const CpuFile now = CpuFile::read(cgroup);
    same = rests && now.ns == last.ns ? same + 1 : 0;
    last = now;
  }
  return last;
}

CgroupDirectories directories_of(const TestCgroup& cgroup) {
  const auto directory = [&](const char* controller) {
    return std::filesystem::path(cgroup.file_path(controller, "cgroup.procs")).parent_path().string();
  };
  CgroupDirectories directories{directory("cpuacct"), directory("cpu"), directory("pids"), directory("memory")};
  directories.unified = !cgroup.has("cpuacct", "cpuacct.usage");
  directories.unified_memory = !cgroup.has("memory", "memory.limit_in_bytes");
  return directories;
}

std::optional<std::uint64_t> read_memory_peak(const TestCgroup& cgroup) {
  for (const char* file : {"memory.max_usage_in_bytes", "memory.peak"}) {
    if (cgroup.has("memory", file)) return cgroup.read("memory", file);
  }
  return std::nullopt;
}

void limit_memory(const TestCgroup& cgroup, std::uint64_t bytes) {
  const bool v1 = cgroup.has("memory", "memory.limit_in_bytes");
  cgroup.write("memory", v1 ? "memory.limit_in_bytes" : "memory.max", std::to_string(bytes));
}

std::string numbered_id(std::uint64_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string id(64, '0');
  for (std::size_t i = id.size() - 1; number > 0; --i, number /= 16) id[i] = digits[number % 16];
  return id;
}

void NeverBack::check(const wire::Snapshot& snapshot) {
  for (const wire::Container& container : snapshot.containers) {
    const auto last = containers_.find(container.id.hex());
    if (last == containers_.end()) continue;
    for (const wire::ContainerFigure& figure : wire::container_figures) {
      if (!is_counter(figure.kind) && figure.value != &wire::Container::memory_peak_bytes) continue;
      const wire::Figure& now = container.*figure.value;
      const wire::Figure& before = last->second.*figure.value;
      // A cgroup may have been removed between the walk that finds it and the one that reads its pressure.
      if (figure.group == FigureGroup::pressure && !now) continue;
      if (now >= before) continue;
      INFO(figure.name << " of " << container.cgroup);
      CHECK(now >= before);
    }
  }
  CHECK(snapshot.guest.cpu_usage_ns >= guest_.cpu_usage_ns);
  CHECK(snapshot.guest.workload_cpu_usage_ns >= guest_.workload_cpu_usage_ns);
  containers_.clear();
  for (const wire::Container& container : snapshot.containers) containers_[container.id.hex()] = container;
  guest_ = snapshot.guest;
}

}  // namespace katameter::guest
