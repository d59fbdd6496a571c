#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/programs.h"
#include "guest-probe/bpf/stat_tables.h"
#include "guest-probe/self_check/self_check.h"
#include "userspace/figures/figure.h"

namespace katameter::guest {

/// What memory.stat of one cgroup showed, in pages or events, and what its arrays held at that moment.
struct StatSample {
  std::array<std::optional<std::uint64_t>, STATS> file;  ///< no value: the file has no such line
  StatArrays arrays;
};

/// Whether the index of a memory.stat value in the kernel's array is known, and why not.
enum class Resolution {
  not_tried,
  resolved,
  no_line,    ///< memory.stat does not show it
  always_0,   ///< in no sample was anything counted: most positions hold a 0
  nowhere,    ///< no position held in each sample what the file showed
  ambiguous,  ///< several positions did, or another figure's is the same
};

struct ResolvedIndices {
  StatIndices indices{};
  std::array<Resolution, STATS> why{};
};

/// Finds each figure's position: the only one that held, in every sample so far, what the file showed. A figure of which
/// that cannot be said is left unknown. One that no position fits any more is begun anew with the next sample: what a
/// cgroup counts may change, and change back, while a sample is taken.
class StatIndexProbe {
 public:
  void add(const StatSample& sample);
  ResolvedIndices resolved() const;

 private:
  struct Figure {
    std::bitset<STAT_ROOM> possible;
    bool tried = false;
    bool has_line = true;
    bool counted = false;  // in some sample it was not 0
  };
  bool is_hopeless(std::size_t stat) const;
  bool is_at_index_of_another(std::size_t stat) const;

  std::array<Figure, STATS> figures_;
};

/// Whether a STAT_* can be looked for by comparison where the kernel hides its tables: not a sum of several positions.
constexpr bool is_resolvable(std::size_t stat) {
  return stat != STAT_SCANNED && stat != STAT_RECLAIMED;
}

/// In words, for Resolution other than `resolved`.
std::string describe(Resolution why);

/// When something is to be tried again: at the 1st, 2nd, 4th, 8th ... snapshot and then at every 64th, counted anew when
/// there are new cgroups to resolve from. That may happen 64 times, so that a guest in which cgroups come and go pays little.
class RetryPace {
 public:
  /// Call once a snapshot.
  bool is_due(bool new_cgroups);

 private:
  std::size_t snapshots_ = 0;
  std::size_t restarts_left_ = 64;
};

/// What of memory.stat is known, and what was compared: at start as far as the guest has cgroups to resolve from, and
/// later from the containers. Not known at start is where a table of the kernel says it that /proc/kallsyms does not show
/// (bpf/guest/memory_stat.bpf.c); nothing can be compared at start where the memory controller is not enabled yet.
class StatIndexResolver {
 public:
  /// Whose files try_again() reads.
  static constexpr std::size_t max_containers = 7;

  /// `mount`: of the memory controller. `resolves`: GuestPlan::resolves_stats; not needed to compare.
  StatIndexResolver(GuestPrograms& programs, std::string mount, bool unified, bool resolves);

  const std::string& mount() const { return mount_; }

  /// At start: from the root, cgroups below it and `own`, the directory of one of our own, or empty.
  void resolve_at_start(const std::string& own, FigureSet& served);

  /// The self-check had no memory cgroup: what a container's files say is to be compared later.
  void compare_later() { compares_ = true; }
  bool compares_later() const { return compares_; }

  /// Nothing is left to do.
  bool done() const { return !resolves_ && !compares_; }

  /// Whether try_again() is to be called for this snapshot. `new_cgroups`: memory cgroups have appeared since the last one.
  bool is_due(bool new_cgroups) { return !done() && pace_.is_due(new_cgroups); }

  /// Reads the memory files of the root and of the first max_containers of these cgroups, resolves from them and compares
  /// with them. What was resolved is served from now on, what differs is not. True: some was resolved, which records
  /// made before do not have. Takes no capability; some 0.1 ms a cgroup.
  bool try_again(std::span<const std::string> memory_directories, FigureSet& served);

  /// What is not served for now, or for good.
  std::vector<Mismatch> mismatches() const;

 private:
  void add_samples(std::span<const std::string> directories, int attempts);
  bool apply_resolved(FigureSet& served);
  bool is_wanted(std::size_t stat) const;
  bool is_unclear() const;
  void compare(std::span<const std::string> directories, FigureSet& served);

  GuestPrograms& programs_;
  std::string mount_;
  bool unified_;
  bool tries_;     // some indices may have to be resolved
  bool resolves_;  // and some are not yet
  bool compares_ = false;
  RetryPace pace_;
  StatIndexProbe probe_;
  ResolvedIndices resolved_;
  std::vector<Mismatch> differences_;
};

}  // namespace katameter::guest
