#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

/// What programs are attached to.
enum class Hook : std::size_t { cgroup_rmdir, cgroup_mkdir, mark_victim, reclaim, cpuhp_enter, sched_process_free };
inline constexpr std::size_t hooks = 6;

/// "recursion_misses" in the text of a program's fdinfo (kernel/bpf/syscall.c, bpf_prog_show_fdinfo()); nothing where the
/// kernel does not count them (before 5.12).
std::optional<std::uint64_t> parse_misses(std::string_view fdinfo);

/// How often the kernel did not run an attached program: it was called while the same program ran on that CPU
/// already, interrupted by what called it again or, where a program can be preempted (7.x), by another task.
class SkippedRuns {
 public:
  /// Also counts those of `program`, a descriptor that is duplicated. An error if /proc cannot be read.
  Status add(Hook hook, int program);

  /// Once a collect: every eighth time reads the count of one program, each in its turn. That is a system call, which
  /// takes no right; 1.0 us (6.18, 2 CPUs).
  void refresh();

  /// All runs of the hook's programs that were skipped since they were loaded, as last read; nothing if none is attached
  /// or the kernel does not count.
  std::optional<std::uint64_t> of(Hook hook) const;

 private:
  struct Counted {
    Hook hook;
    Fd program;  // what the file describes is looked up by its number
    Fd fdinfo;
    std::uint64_t misses = 0;
  };
  static std::optional<std::uint64_t> read(const Fd& fdinfo);

  std::vector<Counted> programs_;
  static constexpr std::size_t collects_between = 8;

  std::size_t collects_ = 0;
};

}  // namespace katameter::guest
