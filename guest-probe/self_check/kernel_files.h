#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "guest-probe/account/figure_sources.h"
#include "userspace/figures/figure.h"
#include "userspace/result.h"

namespace katameter::guest {

/// A value for each figure of a container, in the figure's unit; none where there is no such file or line.
using FigureValues = std::array<std::optional<std::uint64_t>, figure::count>;

/// The value of a limit that is not set.
inline constexpr std::uint64_t no_limit = UINT64_MAX;

/// The directories of one cgroup, by the controllers whose files are there; in cgroup v2 several are the same.
struct CgroupDirectories {
  std::string cpuacct;  ///< CPU time and pressure
  std::string cpu;
  std::string pids;
  std::string memory;
  std::string hugetlb;
  std::string cpuset;
  bool unified = false;         ///< those of cpuacct, cpu, pids and cpuset are of cgroup v2
  bool unified_memory = false;  ///< the others are
};

/// Whether the files of a figure's group are those of cgroup v2.
bool is_unified(const CgroupDirectories& directories, std::size_t figure);

/// What the kernel's files, as container.def names them, say of `figures` now. An error if one that is there cannot be
/// opened.
Result<FigureValues> read_kernel_files(const CgroupDirectories& directories, const FigureSet& figures);

/// What the number in a file says of a figure; none if the text has no such line. Pure.
std::optional<std::uint64_t> value_in_text(const std::string& text, const FigureFile& file, FigureKind kind);

/// By how much a file rounds a figure down, in the figure's unit: 1 if it does not.
std::uint64_t grain_of(const FigureFile& file);

/// USER_HZ, the step in which cpuacct.stat and /proc/PID/stat count, in ns.
std::uint64_t file_tick_ns();

/// False where the kernel does not take it, or has no such file.
bool write_file(const std::string& path, std::string_view text);

}  // namespace katameter::guest
