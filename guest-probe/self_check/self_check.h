#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/programs.h"
#include "guest-probe/self_check/kernel_files.h"
#include "userspace/figures/figure.h"
#include "userspace/result.h"

namespace katameter::guest {

/// Which figures are served, what the plan has less what the self-check refused, and how they are read.
struct ServedFigures {
  FigureSet figures;
  bool memory = false;                             ///< memory cgroups are walked
  bool unified_memory = false;                     ///< they are those of cgroup v2
  std::vector<Hierarchy> cpu_walks;                ///< those that have cpuacct, cpu, pids or cpuset: each once
  bool cpu_times_scaled = false;                   ///< ShownTimes
  bool io = false;                                 ///< block I/O
  bool io_among_memory = false;                    ///< its controller is in the hierarchy of the memory controller's
  bool hugetlb_among_memory = false;               ///< the same of the hugetlb controller
  Hierarchy tasks_hierarchy = Hierarchy::cpuacct;  ///< in which tasks and start times are looked up

  bool has(std::size_t figure) const { return figures.has(figure); }
  bool has(FigureGroup group) const { return figures.has(group); }
};

/// A figure that BPF reads otherwise than the file shows it, and so is not served.
struct Mismatch {
  std::string figure;
  std::string text;     ///< both values
  bool absent = false;  ///< the kernel itself does not have it: nothing is wrong
  std::string remedy = "report this kernel and its configuration to us";
};

class CheckCgroup;

/// Compares what BPF read of a cgroup with its files, read before and after: each of `compared` that has a file must lie
/// between. Takes what does not out of `served`, with what no file shows, and gives the reasons. memory_peak_bytes may
/// lie anywhere between the usage and the limit where the kernel has no file of it.
std::vector<Mismatch> compare(const FigureValues& ours, const FigureValues& before, const FigureValues& after,
                              const CgroupDirectories& directories, const FigureSet& compared, FigureSet& served);

/// A record's figures as the kernel's files show them; those that are missing, because the record does not have them, have
/// no value. memory.stat shows what the CPUs have flushed, so its figures are `stat` alone.
void put_values(const cpu_record& record, FigureValues& values);
void put_values(const memory_record& record, bool unified, FigureValues& values);
void put_values(const pressure_totals& totals, FigureValues& values);

/// memory.stat may lag and show 0, and a wrong layout would read 0 as well: so what is exact must be at least what the
/// process in the cgroup holds.
std::vector<Mismatch> compare_held(const memory_record& record, std::uint64_t anonymous_bytes, std::uint64_t file_bytes,
                                   bool unified, FigureSet& served);

/// Little waits in a cgroup that was just made, so the work of its process shows whether the CPUs' counters are read:
/// `min_busy_ns` to `max_busy_ns`. If they are not, no pressure is served.
std::vector<Mismatch> compare_busy(const pressure_totals& totals, std::uint64_t min_busy_ns, std::uint64_t max_busy_ns,
                                   FigureSet& served);

/// Reading structures is only as right as their layout: compares what is read of a cgroup in which a process has used
/// something. Each function takes its groups of figures; an error: the comparison could not be made.
Result<std::vector<Mismatch>> check_cpu(GuestPrograms& programs, const CheckCgroup& cgroup, ServedFigures& served);
/// Nothing where the memory controller does not count the cgroup.
Result<std::vector<Mismatch>> check_memory(GuestPrograms& programs, const CheckCgroup& cgroup, ServedFigures& served);
/// Pressure is served only if it was compared.
Result<std::vector<Mismatch>> check_pressure(GuestPrograms& programs, const CheckCgroup& cgroup, int cpus,
                                             ServedFigures& served);

/// Compares what is read of a container's memory cgroup with its files: those of a moment at which they stood still.
/// Nothing if there was none within some attempts, or the cgroup is gone. Takes no capability.
std::optional<std::vector<Mismatch>> compare_living(GuestPrograms& programs, const std::string& directory, bool unified,
                                                    FigureSet& served);

/// What the kernel says of this process by other ways.
struct OwnTask {
  std::uint64_t cpu_before_ns = 0;  ///< CLOCK_PROCESS_CPUTIME_ID before the walk
  std::uint64_t cpu_after_ns = 0;   ///< and after it
  std::uint64_t start_ticks = 0;    ///< /proc/self/stat: start time, in file_tick_ns()
  std::uint64_t cgroup_id = 0;      ///< inode of its cgroup's directory; 0 = could not be looked up
};

/// Compares this process' record with that. A walk that reads it wrong reads all wrong: nothing of it is served then.
std::vector<Mismatch> compare_tasks(const std::optional<task_record>& record, const OwnTask& own,
                                    ServedFigures& served);

/// Goes through the guest's tasks once and compares; as self_check().
Result<std::vector<Mismatch>> self_check_tasks(GuestPrograms& programs, ServedFigures& served);

}  // namespace katameter::guest
