#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "bpf/guest/records.h"
#include "guest-probe/account/memory_account.h"

namespace katameter {

/// One of the figures that a memory cgroup keeps for memory.stat.
struct StatFigure {
  int stat = 0;                         ///< STAT_*
  const char* name = "";                ///< of the figure that is lost without it
  bool MemoryFields::*field = nullptr;  ///< whether that is served
  std::string_view v1;                  ///< its line in memory.stat, with what is below the cgroup;
  std::string_view v2;                  ///< empty: in such a cgroup another counter is read
};

/// In the order of STAT_*.
inline constexpr std::array<StatFigure, STATS> stat_figures{{
    {STAT_ANON, "memory_rss_bytes", &MemoryFields::rss, "total_rss", "anon"},
    {STAT_FILE, "memory_cache_bytes", &MemoryFields::cache, "total_cache", "file"},
    {STAT_INACTIVE_FILE, "memory_working_set_bytes", &MemoryFields::inactive_file, "total_inactive_file",
     "inactive_file"},
    {STAT_ACTIVE_FILE, "memory_active_file_bytes", &MemoryFields::active_file, "total_active_file", "active_file"},
    {STAT_MAPPED_FILE, "memory_mapped_file_bytes", &MemoryFields::mapped_file, "total_mapped_file", "file_mapped"},
    {STAT_SWAP, "memory_swap_bytes", &MemoryFields::swap, "total_swap", ""},
    {STAT_KERNEL, "memory_kernel_bytes", &MemoryFields::kernel, "", "kernel"},
    {STAT_FAULTS, "page_faults", &MemoryFields::page_faults, "total_pgfault", "pgfault"},
    {STAT_MAJOR_FAULTS, "major_page_faults", &MemoryFields::major_page_faults, "total_pgmajfault", "pgmajfault"},
}};

/// Its line in memory.stat; empty: it is not read from there.
constexpr std::string_view stat_line(const StatFigure& figure, bool unified) {
  return unified ? figure.v2 : figure.v1;
}

/// Whether it counts events, not pages.
constexpr bool is_event(std::size_t stat) {
  return stat >= STAT_FAULTS;
}

/// Those of `fields` that a record has: `known` has a bit for each STAT_* that was read.
inline MemoryFields known_fields(MemoryFields fields, std::uint32_t known) {
  for (const StatFigure& figure : stat_figures) {
    const bool is_read = !stat_line(figure, fields.unified).empty();
    if (is_read && (known >> figure.stat & 1) == 0) fields.*figure.field = false;
  }
  return fields;
}

}  // namespace katameter
