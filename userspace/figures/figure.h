#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

// The vocabulary of the columns of container.def and guest.def, and sets of the figures of a container.
namespace katameter {

/// How a figure moves while its container lives, or the guest.
enum class FigureKind : std::uint8_t {
  counter,       ///< only rises: a host refuses a snapshot in which it fell
  weak_counter,  ///< rises, but may fall where guest-probe is restarted and the kernel kept less than it had reported
  resettable_counter,  ///< rises, but an administrator in the guest can set it to 0
  gauge,
  limit,  ///< absent without a limit; may be any number, for kernels have several that mean "none"
};

/// Whether Prometheus sees a counter.
constexpr bool is_counter(FigureKind kind) {
  return kind != FigureKind::gauge && kind != FigureKind::limit;
}

enum class FigureUnit : std::uint8_t {
  cpu_time,   ///< ns that CPUs worked
  task_time,  ///< ns that tasks waited
  boottime,   ///< ns of CLOCK_BOOTTIME
  microseconds,
  bytes,
  periods,
  shares,
  times,
  faults,
  kills,
  tasks,
  processes,
  switches,
  containers,
  cgroups,
  interfaces,
  devices,
  events,
  stalls,
  requests,
  errors,
  pages,
  flag,
  files,
  datagrams,
  sockets,
  cpus,
  calls,
};

/// What gives a figure: it is there or missing with the others of its group.
enum class FigureGroup : std::uint8_t {
  cpu,               ///< CPU time: cpuacct, or cgroup v2
  bandwidth,         ///< the cpu controller
  pids,              ///< the pids controller
  cpuset,            ///< the cpuset controller
  memory,            ///< the memory controller
  hugetlb,           ///< the hugetlb controller
  numa,              ///< the memory controller, in a guest with several NUMA nodes
  reclaim,           ///< the programs at direct reclaim
  processes,         ///< the walk over tasks
  open_files,        ///< the same walk with --open-files
  start,             ///< the time of the cgroup's mkdir, or that walk
  pressure,          ///< PSI
  schedstat,         ///< the programs of --schedstat, run-queue wait
  io_calls,          ///< the same programs, task I/O accounting
  virtiofs,          ///< the program at the sending of requests to virtiofs
  virtiofs_answers,  ///< the one at their end
};

/// The figures of a container by number: the rows of container.def from 0 on.
namespace figure {
enum Index : std::size_t {
#define FIGURE(name, ...) name,
#include "userspace/figures/container.def"
  count
};
}  // namespace figure

/// The indices below `count` of which `predicate` is true; in their order.
template <std::size_t count, bool (*predicate)(std::size_t)>
inline constexpr auto indices_where = [] {
  constexpr std::size_t size = [] {
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i) found += predicate(i) ? 1 : 0;
    return found;
  }();
  std::array<std::size_t, size> indices{};
  std::size_t next = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (predicate(i)) indices[next++] = i;
  }
  return indices;
}();

/// The figures of a container of which `predicate`, a function of the index, is true.
template <bool (*predicate)(std::size_t)>
inline constexpr auto& figures_where = indices_where<figure::count, predicate>;

/// A set of figures of a container: those that are served, for example.
class FigureSet {
 public:
  constexpr FigureSet() = default;
  constexpr FigureSet(std::initializer_list<FigureGroup> groups) {
    for (const FigureGroup group : groups) add(group);
  }
  static constexpr FigureSet all() {
    FigureSet set;
    for (std::size_t i = 0; i < figure::count; ++i) set.add(i);
    return set;
  }

  constexpr bool has(std::size_t figure) const { return (words_[figure / word_bits] >> figure % word_bits & 1) != 0; }
  /// Whether any of the group is in it.
  constexpr bool has(FigureGroup group) const { return !(*this & of(group)).is_empty(); }

  constexpr void add(std::size_t figure) { words_[figure / word_bits] |= bit(figure); }
  constexpr void add(FigureGroup group) {
    const FigureSet others = of(group);
    for (std::size_t i = 0; i < words; ++i) words_[i] |= others.words_[i];
  }
  constexpr void remove(std::size_t figure) { words_[figure / word_bits] &= ~bit(figure); }
  constexpr void remove(FigureGroup group) { remove(of(group)); }
  constexpr void remove(const FigureSet& others) {
    for (std::size_t i = 0; i < words; ++i) words_[i] &= ~others.words_[i];
  }

  constexpr FigureSet operator&(const FigureSet& other) const {
    FigureSet both = *this;
    for (std::size_t i = 0; i < words; ++i) both.words_[i] &= other.words_[i];
    return both;
  }
  constexpr bool operator==(const FigureSet&) const = default;

 private:
  static constexpr std::size_t word_bits = 64;
  static constexpr std::size_t words = (figure::count + word_bits - 1) / word_bits;

  static constexpr std::uint64_t bit(std::size_t figure) { return std::uint64_t{1} << figure % word_bits; }
  static constexpr FigureSet of(FigureGroup group) {
    FigureSet set;
    std::size_t row = 0;
#define FIGURE(name, number, kind, unit, in_group, ...) \
  if (FigureGroup::in_group == group) set.add(row);     \
  ++row;
#include "userspace/figures/container.def"
    return set;
  }
  constexpr bool is_empty() const {
    return *this == FigureSet();
  }

  std::array<std::uint64_t, words> words_{};
};

}  // namespace katameter
