#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// A cgroup of our own with a process in it that has used some CPU and memory and now waits: what the self-check
/// compares on. The root will not do (its files are computed otherwise), and a guest that just booted may have no
/// other.
class CheckCgroup {
 public:
  /// What the process holds while the object lives: anonymous memory, and a mapped file in memory.
  static constexpr std::size_t kept_bytes = 512 * 1024;
  static constexpr std::size_t file_bytes = 128 * 1024;
  /// More of that file, not mapped: makes the page cache another number than what is mapped.
  static constexpr std::size_t unmapped_bytes = 52 * 1024;
  /// CPU time that it has used at least.
  static constexpr std::uint64_t burnt_ns = 2'000'000;

  /// Makes it in the hierarchies at these mount points, at the top or, where that may not be written, beside this
  /// process's own cgroup; an empty one is left out. Takes about 5 ms.
  static Result<CheckCgroup> make(const std::string& cpuacct_mount, const std::string& memory_mount,
                                  const std::string& cpu_mount = {}, const std::string& pids_mount = {});

  CheckCgroup(CheckCgroup&& other) noexcept;
  CheckCgroup(const CheckCgroup&) = delete;
  CheckCgroup& operator=(CheckCgroup&&) = delete;
  CheckCgroup& operator=(const CheckCgroup&) = delete;
  /// Ends the process and removes the cgroup.
  ~CheckCgroup();

  /// Where it is in the first hierarchy.
  const std::string& cpuacct_directory() const { return cpuacct_; }
  /// And in that of memory.
  const std::string& memory_directory() const { return memory_; }
  /// Inode numbers of the directories = ids of the cgroups; 0 where it was left out.
  std::uint64_t cpuacct_id() const { return cpuacct_id_; }
  std::uint64_t memory_id() const { return memory_id_; }
  std::uint64_t cpu_id() const { return cpu_id_; }
  std::uint64_t pids_id() const { return pids_id_; }

  /// Writes a file of it in the first hierarchy; false where the kernel does not take it.
  bool write_cpuacct(const std::string& file, const std::string& text) const;

  /// A file that holds one number; "max" is the largest number of bytes that pages make.
  Result<std::uint64_t> read_cpuacct(const std::string& file) const;
  Result<std::uint64_t> read_memory(const std::string& file) const;
  Result<std::uint64_t> read_cpu(const std::string& file) const;
  Result<std::uint64_t> read_pids(const std::string& file) const;
  Result<std::map<std::string, std::uint64_t>> read_cpuacct_table(const std::string& file) const;
  Result<std::map<std::string, std::uint64_t>> read_cpu_table(const std::string& file) const;
  /// A file of "key value" lines (memory.stat, memory.oom_control).
  Result<std::map<std::string, std::uint64_t>> read_memory_table(const std::string& file) const;

 private:
  CheckCgroup() = default;
  Status start_process();

  std::string cpuacct_;  // directories; empty where left out
  std::string memory_;
  std::string cpu_;
  std::string pids_;
  std::uint64_t cpuacct_id_ = 0;
  std::uint64_t memory_id_ = 0;
  std::uint64_t cpu_id_ = 0;
  std::uint64_t pids_id_ = 0;
  pid_t process_ = -1;
  Fd alive_;  // the process ends when this is closed
};

}  // namespace katameter
