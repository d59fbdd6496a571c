#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "guest-probe/self_check/kernel_files.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

/// A cgroup of our own with a process in it that has used some CPU and memory and now waits: what the self-check
/// compares on. The root will not do (its files are computed otherwise), and a guest that just booted may have no
/// other.
///
/// The process makes the cgroup, and removes it when this object goes or whoever has it was killed. If both were killed,
/// the next one removes what they left.
class CheckCgroup {
 public:
  /// What the process holds while the object lives: anonymous memory, and a mapped file in memory.
  static constexpr std::size_t kept_bytes = 512 * 1024;
  static constexpr std::size_t file_bytes = 128 * 1024;
  /// More of that file, not mapped: makes the page cache another number than what is mapped.
  static constexpr std::size_t unmapped_bytes = 52 * 1024;
  /// CPU time that it has used at least.
  static constexpr std::uint64_t burnt_ns = 2'000'000;

  /// Mount points; an empty one is left out. In cgroup v2 several are the same.
  struct Mounts {
    std::string cpuacct;  ///< or cgroup v2, where CPU time is of that
    std::string memory;
    std::string cpu;
    std::string pids;
  };

  /// Makes it in these hierarchies, at the top or, where that may not be written, beside this process's own cgroup.
  /// Takes about 5 ms.
  static Result<CheckCgroup> make(const Mounts& mounts);

  CheckCgroup(CheckCgroup&& other) noexcept;
  CheckCgroup(const CheckCgroup&) = delete;
  CheckCgroup& operator=(CheckCgroup&&) = delete;
  CheckCgroup& operator=(const CheckCgroup&) = delete;
  /// Ends the process and waits until the cgroup is gone.
  ~CheckCgroup();

  /// How long its process has been there, ns.
  std::uint64_t age_ns() const;
  /// Whether the memory controller counts it. Not so in cgroup v2 as long as nobody has enabled that at the top.
  bool has_memory() const { return has_memory_; }

  /// Where its files are; whether they are those of cgroup v2 is not said.
  CgroupDirectories directories() const;
  /// Inode numbers of the directories = ids of the cgroups; 0 where it was left out.
  std::uint64_t cpuacct_id() const { return ids_[cpuacct]; }
  std::uint64_t memory_id() const { return ids_[memory]; }
  std::uint64_t cpu_id() const { return ids_[cpu]; }
  std::uint64_t pids_id() const { return ids_[pids]; }

 private:
  enum Controller { cpuacct, memory, cpu, pids, controllers };

  CheckCgroup() = default;
  std::string path(Controller of, const std::string& file) const { return directories_[of] + "/" + file; }

  std::array<std::string, controllers> directories_;  // empty where left out
  std::array<std::uint64_t, controllers> ids_{};
  bool has_memory_ = false;
  std::uint64_t made_ns_ = 0;  // CLOCK_MONOTONIC
  pid_t process_ = -1;
  Fd alive_;  // the process ends when this is closed
};

}  // namespace katameter::guest
