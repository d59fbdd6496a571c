#include "tests/node/kernel.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace katameter::host::testing {
namespace {

namespace fs = std::filesystem;

std::uint64_t line_of(const fs::path& file, const std::string& key) {
  std::ifstream lines(file);
  std::string name;
  std::uint64_t value = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    if (fields >> name >> value && name == key) return value;
  }
  return 0;
}

ThreadTimes times_of(const fs::path& task) {
  ThreadTimes times;
  std::ifstream(task / "schedstat") >> times.run_s >> times.wait_s;
  times.run_s /= 1e9;
  times.wait_s /= 1e9;
  const std::string stat = contents(task / "stat");
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos) return times;
  std::istringstream fields(stat.substr(name_end + 2));
  std::string field;
  for (int i = 3; i <= 43 && fields >> field; ++i) {
    if (i == 43) times.guest_s = std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  return times;
}

void add(ThreadTimes& sum, const ThreadTimes& more) {
  sum.run_s += more.run_s;
  sum.wait_s += more.wait_s;
  sum.guest_s += more.guest_s;
}

}  // namespace

KernelTimes kernel_times(const Sandbox& sandbox) {
  KernelTimes times;
  for (const fs::path& cgroup : sandbox.cgroups()) {
    times.cgroups_s += static_cast<double>(line_of(cgroup / "cpu.stat", "usage_usec")) / 1e6;
  }
  const std::string vmm = std::to_string(sandbox.vmm());
  for (const auto& task : fs::directory_iterator("/proc/" + vmm + "/task")) {
    const ThreadTimes each = times_of(task.path());
    if (contents(task.path() / "comm").starts_with("vhost-")) {
      add(times.vhost, each);  // of 6.12: a thread of the VMM
    } else if (each.guest_s > 0) {
      add(times.vcpus, each);
    }
  }
  for (const pid_t pid : sandbox.processes("vhost-" + vmm)) {
    add(times.vhost, times_of("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid)));
  }
  return times;
}

KernelMemory kernel_memory(const Sandbox& sandbox) {
  KernelMemory memory;
  for (const fs::path& cgroup : sandbox.cgroups()) {
    memory.current += std::stod(contents(cgroup / "memory.current"));
    for (const char* key : {"anon", "shmem", "pagetables"}) {
      memory.charged += static_cast<double>(line_of(cgroup / "memory.stat", key));
    }
  }
  for (const pid_t pid : sandbox.processes()) {
    const fs::path process = "/proc/" + std::to_string(pid);
    const auto anon = 1024 * static_cast<double>(line_of(process / "smaps_rollup", "Pss_Anon:"));
    if (contents(process / "comm") == "sandbox.sh\n") {
      memory.charged -= anon;  // the test's own, below the shim
      continue;
    }
    memory.threads += static_cast<int>(line_of(process / "status", "Threads:"));
    memory.mapped += anon + 1024 * static_cast<double>(line_of(process / "smaps_rollup", "Pss_Shmem:"));
  }
  return memory;
}

}  // namespace katameter::host::testing
