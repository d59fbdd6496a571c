#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "bpf/guest/records.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What cAdvisor gives out as shares where there is a cpu.weight (cgroup v2).
std::uint64_t shares_of_weight(std::uint64_t weight);

/// Puts what a record holds into a container's row, as far as it is served, and leaves the row's other figures as they
/// are.
void set_cpu(wire::Container& row, const cpu_record& record, const FigureSet& served);

/// Whether a walk met every cgroup that there is below each container, those included that are removed and not gone yet.
/// One that is just being taken out of the tree is missing before its time has reached its parent.
bool is_complete(std::span<const unified_record> containers);

/// Whether nothing was flushed from the first walk to the second. Only then do the figures of the second belong
/// together.
bool walks_agree(std::span<const unified_record> first, std::span<const unified_record> second);

/// Makes of the ticks that the kernel counts as user and system time what its files show of them. Where a kernel
/// scales, it divides the exact usage in the ratio of the ticks (cputime_adjust in kernel/sched/cputime.c); a ratio may
/// fall, so the kernel, and this class with it, remembers what was shown last and lets neither of the two go back.
class ShownTimes {
 public:
  /// `scaled`: the kernel's cpuacct.stat is scaled (since 5.17, 8c92606ab810) or it is cgroup v2; else it shows the
  /// ticks as they are.
  explicit ShownTimes(bool scaled) : scaled_(scaled) {}

  /// Whether the kernel scales: after cpuacct.stat of a cgroup that has run was read, it remembers what it showed.
  static bool scales(const cpu_record& after_read) {
    return after_read.shown_user_ns != 0 || after_read.shown_system_ns != 0;
  }

  /// Puts what is to be shown into user_ns and system_ns; where the kernel scales, usage_ns does not go back either (a
  /// walk of cgroup v2 that a flush disturbed finds too little). Once for each record, in the order in which they were
  /// read.
  void clamp(cpu_record& record);

  /// Forgets the cgroups that were not clamped since the last call.
  void forget_unseen();

  std::size_t size() const { return shown_.size(); }

 private:
  struct Shown {
    std::uint64_t usage_ns = 0;
    std::uint64_t user_ns = 0;
    std::uint64_t system_ns = 0;
    bool seen = false;
  };

  bool scaled_;
  std::unordered_map<std::uint64_t, Shown> shown_;  // by cgroup id
};

}  // namespace katameter::guest
