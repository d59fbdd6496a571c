#include "tests/vm/cgroup_files.h"

#include <unistd.h>

#include <algorithm>
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

// Where a value is: a file, and for one that has several the key of its line.
struct Place {
  const char* controller;
  const char* file;
  const char* key = nullptr;
  std::uint64_t unit_ns = 1;  // of a time

  std::uint64_t read(const TestCgroup& cgroup) const {
    return key == nullptr ? cgroup.read(controller, file) : cgroup.read_table(controller, file).at(key);
  }
};

struct Places {
  Place v1;
  Place v2;

  const Place& of(const TestCgroup& cgroup) const { return is_v1(cgroup) ? v1 : v2; }
};

constexpr std::uint64_t us = 1000;
constexpr std::uint64_t tick = 10'000'000;  // USER_HZ

Places places_of(CpuTime time) {
  switch (time) {
    case CpuTime::usage: return {{"cpuacct", "cpuacct.usage"}, {"cpu", "cpu.stat", "usage_usec", us}};
    case CpuTime::user: return {{"cpuacct", "cpuacct.stat", "user", tick}, {"cpu", "cpu.stat", "user_usec", us}};
    case CpuTime::system: return {{"cpuacct", "cpuacct.stat", "system", tick}, {"cpu", "cpu.stat", "system_usec", us}};
    case CpuTime::throttled: break;
  }
  return {{"cpu", "cpu.stat", "throttled_time"}, {"cpu", "cpu.stat", "throttled_usec", us}};
}

Places places_of(MemoryFile file) {
  const auto files = [](const char* v1, const char* v2) { return Places{{"memory", v1}, {"memory", v2}}; };
  const auto stat = [](const char* v1, const char* v2) {
    return Places{{"memory", "memory.stat", v1}, {"memory", "memory.stat", v2}};
  };
  switch (file) {
    case MemoryFile::usage: return files("memory.usage_in_bytes", "memory.current");
    case MemoryFile::limit: return files("memory.limit_in_bytes", "memory.max");
    case MemoryFile::swap_limit: return files("memory.memsw.limit_in_bytes", "memory.swap.max");
    case MemoryFile::reservation: return files("memory.soft_limit_in_bytes", "memory.min");
    case MemoryFile::swap: return {{"memory", "memory.stat", "total_swap"}, {"memory", "memory.swap.current"}};
    case MemoryFile::oom_kills:
      return {{"memory", "memory.oom_control", "oom_kill"}, {"memory", "memory.events", "oom_kill"}};
    case MemoryFile::rss: return stat("total_rss", "anon");
    case MemoryFile::cache: return stat("total_cache", "file");
    case MemoryFile::mapped_file: return stat("total_mapped_file", "file_mapped");
    case MemoryFile::inactive_file: return stat("total_inactive_file", "inactive_file");
    case MemoryFile::active_file: break;
  }
  return stat("total_active_file", "active_file");
}

}  // namespace

bool is_v1(const TestCgroup& cgroup) {
  return cgroup.has("memory", "memory.usage_in_bytes");
}

CpuFile CpuFile::read(const TestCgroup& cgroup, CpuTime time) {
  const Places places = places_of(time);
  const Place& place = places.of(cgroup);
  return {place.read(cgroup) * place.unit_ns, place.unit_ns};
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
  CgroupDirectories directories{directory("cpuacct"), directory("cpu"), directory("pids"), directory("memory"), {}, {}};
  const auto& there = TestCgroup::controllers();
  if (std::find(there.begin(), there.end(), "hugetlb") != there.end()) directories.hugetlb = directory("hugetlb");
  if (std::find(there.begin(), there.end(), "cpuset") != there.end()) directories.cpuset = directory("cpuset");
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

std::uint64_t read_memory(const TestCgroup& cgroup, MemoryFile file) {
  return places_of(file).of(cgroup).read(cgroup);
}

void write_memory(const TestCgroup& cgroup, MemoryFile file, std::uint64_t bytes) {
  const Places places = places_of(file);
  const Place& place = places.of(cgroup);
  cgroup.write(place.controller, place.file, std::to_string(bytes));
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
