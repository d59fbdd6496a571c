#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/programs.h"
#include "guest-probe/collect/collector.h"
#include "guest-probe/self_check/self_check_cpu.h"
#include "userspace/result.h"

namespace katameter {

/// What the files of one cgroup say at one moment, in the units of the files. The names are v1's.
struct FileFigures {
  std::uint64_t cpu_usage_ns = 0;         ///< cpuacct.usage
  std::uint64_t usage_bytes = 0;          ///< memory.usage_in_bytes
  std::uint64_t peak_bytes = 0;           ///< memory.max_usage_in_bytes
  std::uint64_t limit_bytes = 0;          ///< memory.limit_in_bytes
  std::uint64_t failcnt = 0;              ///< memory.failcnt
  std::uint64_t oom_kills = 0;            ///< memory.oom_control: oom_kill
  std::uint64_t rss_bytes = 0;            ///< memory.stat: total_rss
  std::uint64_t cache_bytes = 0;          ///< memory.stat: total_cache
  std::uint64_t inactive_file_bytes = 0;  ///< memory.stat: total_inactive_file
  CpuFileFigures cpu{};
  // No value: this kernel has no such file or line.
  std::optional<std::uint64_t> active_file_bytes;  ///< memory.stat: total_active_file
  std::optional<std::uint64_t> mapped_file_bytes;  ///< memory.stat: total_mapped_file
  std::optional<std::uint64_t> swap_bytes;         ///< memory.stat: total_swap; v2: memory.swap.current
  std::optional<std::uint64_t> kernel_bytes;       ///< memory.kmem.usage_in_bytes; v2: memory.stat: kernel
  std::optional<std::uint64_t> page_faults;        ///< memory.stat: total_pgfault
  std::optional<std::uint64_t> major_page_faults;  ///< memory.stat: total_pgmajfault
  std::optional<std::uint64_t> swap_limit_bytes;   ///< memory.memsw.limit_in_bytes; v2: memory.swap.max
  std::optional<std::uint64_t> reservation_bytes;  ///< memory.soft_limit_in_bytes; v2: memory.min
  // What the self-check's process holds. Where the files are late they say 0, and 0 has every layout.
  std::uint64_t held_anonymous_bytes = 0;
  std::uint64_t held_file_bytes = 0;
  bool peak_has_file = true;  ///< false: peak_bytes is only what the peak cannot be below

  bool operator==(const FileFigures&) const = default;
};

/// Compares a cgroup's records with its files, read before and after: each figure must lie between. Takes what differs
/// out of `served` and says so. memory.stat shows what the CPUs have handed in, so it is compared with `stat` alone;
/// `stat` and `pending` together are at least what the cgroup's process holds.
std::vector<Refusal> compare(const std::optional<cpu_record>& cpu, const std::optional<memory_record>& memory,
                             const FileFigures& before, const FileFigures& after, ServedFigures& served);

/// Reading structures is only as right as their layout: compares what is read of a cgroup in which a process has used
/// something. The memory figures only where the memory controller counts it. An error: the comparison could not be made.
Result<std::vector<Refusal>> self_check(GuestPrograms& programs, const CheckCgroup& cgroup, ServedFigures& served);

}  // namespace katameter
