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

/// A container's CPU time as the kernel's own file shows it: cpuacct.usage of v1, usage_usec in cpu.stat of v2.
struct CpuFile {
  std::uint64_t ns = 0;
  std::uint64_t grain_ns = 1;  ///< what the file rounds down to

  static CpuFile read(const TestCgroup& cgroup);
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

/// Sets the memory limit.
void limit_memory(const TestCgroup& cgroup, std::uint64_t bytes);

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
