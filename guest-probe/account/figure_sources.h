#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bpf/guest/records.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

// What container.def says of the kernel's side of a figure: its place in a BPF record, and the file that shows it.
namespace katameter::guest {

/// The kernel's file of a figure, and where in it. The functions of the same names are what a row of container.def says.
struct FigureFile {
  enum class Form : std::uint8_t {
    number,        ///< in the unit of the figure
    ticks,         ///< USER_HZ, of a figure in ns
    microseconds,  ///< of a figure in ns
    second,        ///< the second number of the file
    weight,        ///< cpu.weight, of a figure in shares
    cpu_list,      ///< how many CPUs are in the file, such as "0-3,8"
    total,         ///< "KEY avg10=0.00 ... total=MICROSECONDS", of a figure in ns
  };
  const char* name = nullptr;  ///< without one: no file shows the figure
  const char* key = "";        ///< that of a line "KEY NUMBER"; empty: the file is one number
  Form form = Form::number;
};

struct FigureSource {
  int index = -1;  ///< STAT_*, EVENT_*, PRESSURE_*, SCHED_*, HUGETLB_*, NUMA_* ...; -1: its record is not an array
  FigureFile v1;
  FigureFile v2;
};

/// By figure::Index.
inline constexpr auto figure_sources = [] {
  constexpr int none = -1;
  constexpr FigureFile no_file;
  constexpr auto in = [](const char* name, const char* key = "") { return FigureFile{name, key}; };
  constexpr auto in_ticks = [](const char* name, const char* key) {
    return FigureFile{name, key, FigureFile::Form::ticks};
  };
  constexpr auto in_us = [](const char* name, const char* key) {
    return FigureFile{name, key, FigureFile::Form::microseconds};
  };
  constexpr auto second_in = [](const char* name) { return FigureFile{name, "", FigureFile::Form::second}; };
  constexpr auto in_weight = [](const char* name) { return FigureFile{name, "", FigureFile::Form::weight}; };
  constexpr auto in_list = [](const char* name) { return FigureFile{name, "", FigureFile::Form::cpu_list}; };
  constexpr auto in_total = [](const char* name, const char* key) {
    return FigureFile{name, key, FigureFile::Form::total};
  };
  return std::array<FigureSource, figure::count>{{
#define FIGURE(name, number, kind, unit, group, index, v1, v2, ...) {index, v1, v2},
#include "userspace/figures/container.def"
  }};
}();

constexpr const FigureFile& file_of(std::size_t figure, bool unified) {
  return unified ? figure_sources[figure].v2 : figure_sources[figure].v1;
}

/// By version of cgroups and figure.
inline constexpr auto stat_indices = [] {
  std::array<std::array<std::int8_t, figure::count>, 2> indices{};
  for (const bool unified : {false, true}) {
    for (std::size_t i = 0; i < figure::count; ++i) {
      const FigureFile& file = file_of(i, unified);
      const bool in_stat = file.name != nullptr && std::string_view(file.name) == "memory.stat";
      indices[unified ? 1 : 0][i] = static_cast<std::int8_t>(in_stat ? figure_sources[i].index : -1);
    }
  }
  return indices;
}();

/// STAT_* of a figure that the kernel counts for memory.stat with this version of cgroups; -1: it has another counter.
constexpr int stat_of(std::size_t figure, bool unified) {
  return stat_indices[unified ? 1 : 0][figure];
}

/// Whether a STAT_* is read with this version of cgroups.
constexpr bool is_in_stat(std::size_t stat, bool unified) {
  for (std::size_t i = 0; i < figure::count; ++i) {
    if (stat_of(i, unified) == static_cast<int>(stat)) return true;
  }
  return false;
}

/// Whether a STAT_* is in the kernel's array of events, not of pages.
constexpr bool is_event(std::size_t stat) {
  return stat >= STAT_FAULTS;
}

/// What one of a STAT_* is in its figure: of bytes with pages of `page` bytes; 1 where it counts something else.
constexpr std::uint64_t stat_unit(std::size_t stat, std::uint64_t page) {
  if (is_event(stat)) return 1;
  switch (stat) {
    case STAT_SLAB_RECLAIMABLE:
    case STAT_SLAB_UNRECLAIMABLE:
    case STAT_PER_CPU:
    case STAT_ZSWAP:
    case STAT_REFAULT_ANON:
    case STAT_REFAULT_FILE: return 1;
    case STAT_KERNEL_STACK: return 1024;
    default: return page;
  }
}

/// Those of `figures` that a record of memory has: `known` has a bit for each STAT_* that was read.
inline FigureSet known_figures(FigureSet figures, std::uint32_t known, bool unified) {
  for (std::size_t i = 0; i < figure::count; ++i) {
    const int stat = stat_of(i, unified);
    if (stat >= 0 && (known >> stat & 1) == 0) figures.remove(i);
  }
  return figures;
}

/// Sets a figure of a row, if it is served.
template <std::size_t figure>
void set_figure(wire::Container& row, const FigureSet& served, wire::Figure value) {
  if (served.has(figure)) row.*wire::container_figures[figure].value = value;
}

template <FigureGroup group>
constexpr bool is_in_group(std::size_t figure) {
  return wire::container_figures[figure].group == group;
}

/// Sets the served figures of a group, of which a record has an array: `value_of` takes the index.
template <FigureGroup group, typename ValueOf>
void set_figures(wire::Container& row, const FigureSet& served, const ValueOf& value_of) {
  for (const std::size_t figure : figures_where<&is_in_group<group>>) {
    if (!served.has(figure)) continue;
    row.*wire::container_figures[figure].value = value_of(static_cast<std::size_t>(figure_sources[figure].index));
  }
}

}  // namespace katameter::guest
