#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "guest-probe/bpf/programs.h"
#include "guest-probe/self_check/served_figures.h"
#include "guest-probe/self_check/stat_learning.h"
#include "userspace/figures/figure.h"

namespace katameter::guest {

/// When something is to be tried again: at the 1st, 2nd, 4th, 8th ... snapshot and then at every 64th, counted anew when
/// there are new cgroups to learn from. That may happen 64 times, so that a guest in which cgroups come and go pays little.
class RetryPace {
 public:
  /// Call once a snapshot.
  bool is_due(bool new_cgroups);

 private:
  std::size_t snapshots_ = 0;
  std::size_t restarts_left_ = 64;
};

/// What of memory.stat is known, and what was compared: at start as far as the guest has anything to learn from, and
/// later from the containers. Not known at start is where a table of the kernel says it that /proc/kallsyms does not show
/// (bpf/guest/memory_stat.bpf.c); nothing can be compared at start where the memory controller is not enabled yet.
class StatLearner {
 public:
  /// Whose files try_again() reads.
  static constexpr std::size_t max_containers = 7;

  /// `mount`: of the memory controller. `learns`: GuestPlan::learn_stats; not needed to compare.
  StatLearner(GuestPrograms& programs, std::string mount, bool unified, bool learns);

  const std::string& mount() const { return mount_; }

  /// At start: from the root, cgroups below it and `own`, the directory of one of our own, or empty.
  void learn_at_start(const std::string& own, FigureSet& served);

  /// The self-check had no memory cgroup: what a container's files say is to be compared later.
  void compare_later() { compares_ = true; }
  bool compares_later() const { return compares_; }

  /// Nothing is left to do.
  bool done() const { return !learns_ && !compares_; }

  /// Whether try_again() is to be called for this snapshot. `new_cgroups`: memory cgroups have appeared since the last one.
  bool is_due(bool new_cgroups) { return !done() && pace_.is_due(new_cgroups); }

  /// Reads the memory files of the root and of the first max_containers of these cgroups, learns from them and compares
  /// with them. What was learned is served from now on, what differs is not. True: figures were learned, which records
  /// made before do not have. Takes no capability; some 0.1 ms a cgroup.
  bool try_again(std::span<const std::string> memory_directories, FigureSet& served);

  /// What is not served for now, or for good.
  std::vector<Refusal> refusals() const;

 private:
  void add_samples(std::span<const std::string> directories, int attempts);
  bool place_learned(FigureSet& served);
  bool is_wanted(std::size_t stat) const;
  bool is_unclear() const;
  void compare(std::span<const std::string> directories, FigureSet& served);

  GuestPrograms& programs_;
  std::string mount_;
  bool unified_;
  bool tries_;   // some positions may have to be learned
  bool learns_;  // and some are not yet
  bool compares_ = false;
  RetryPace pace_;
  StatLearning learning_;
  StatLesson lesson_;
  std::vector<Refusal> differences_;
};

}  // namespace katameter::guest
