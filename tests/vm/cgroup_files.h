#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "guest-probe/self_check/kernel_files.h"
#include "tests/support/host_peer.h"
#include "tests/vm/test_cgroup.h"

// For tests that hold for cgroup v1 and v2 alike; they have the tag [any] or [both] (CMakeLists.txt).
namespace katameter::guest {

/// Whether the guest has the hierarchies of cgroup v1, or that of v2.
bool is_v1(const TestCgroup& cgroup);

/// In v1 cpuacct.usage, cpuacct.stat (in ticks) and throttled_time of cpu.stat; in v2 lines of cpu.stat, in microseconds.
enum class CpuTime { usage, user, system, throttled };

/// A time of a container as the kernel's own file shows it.
struct CpuFile {
  std::uint64_t ns = 0;
  std::uint64_t grain_ns = 1;  ///< what the file rounds down to

  static CpuFile read(const TestCgroup& cgroup, CpuTime time = CpuTime::usage);
};

/// Whether `ours_ns` lies between two readings of the file.
bool lies_between(const CpuFile& before, std::uint64_t ours_ns, const CpuFile& after);

/// Whether `ours_ns` is what the file says, as exactly as it says it.
bool equals(const CpuFile& file, std::uint64_t ours_ns);

/// What containers used together.
CpuFile operator+(const CpuFile& one, const CpuFile& other);

/// What a container used whose processes have ended or sleep: waits until the last slice of them is charged.
CpuFile final_cpu(const TestCgroup& cgroup);

/// The directories of a container's cgroups, for read_kernel_files().
CgroupDirectories directories_of(const TestCgroup& cgroup);

/// The highest usage by the kernel's file, of which v2 has one from 5.19 on.
std::optional<std::uint64_t> read_memory_peak(const TestCgroup& cgroup);

/// Values of the memory controller, in bytes but for oom_kills, that v1 and v2 show in files, or lines of files, of
/// different names. In v1 swap_limit is of memory and swap together, and oom_kills are those of the cgroup itself; in v2
/// it is of swap alone, and they have those of the cgroups below as well.
enum class MemoryFile {
  usage,
  limit,
  swap_limit,
  reservation,
  swap,
  oom_kills,
  rss,
  cache,
  mapped_file,
  inactive_file,
  active_file
};

std::uint64_t read_memory(const TestCgroup& cgroup, MemoryFile file);
void write_memory(const TestCgroup& cgroup, MemoryFile file, std::uint64_t bytes);

/// Sets the memory limit.
inline void limit_memory(const TestCgroup& cgroup, std::uint64_t bytes) {
  write_memory(cgroup, MemoryFile::limit, bytes);
}

/// The id of a container by number: 64 hex digits.
std::string numbered_id(std::uint64_t number);

/// Holds each snapshot against the one before: no counter of a container or of the guest ever goes back.
class NeverBack {
 public:
  void check(const wire::Snapshot& snapshot);

 private:
  std::map<std::string, wire::Container> containers_;
  wire::Guest guest_;
};

}  // namespace katameter::guest
