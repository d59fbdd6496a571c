#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "host-probe/guest/drop_reason.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// Checks that every value of a snapshot is one that a guest can have, whatever it sent before. Time is bounded by how
/// long the guest has been up: CPU time by as many CPUs as a VMM can give, waiting by as many tasks as a kernel can
/// have (PID_MAX_LIMIT). Limits may be anything: a kernel has several values for "none".
std::optional<Drop> check_values(const wire::Snapshot& snapshot);

/// Checks the memory that a guest reports, with a reserve of an eighth and 64 MiB: its kernel's total against
/// `mapped_bytes` of its VMM (SandboxMemory; 0 if not known), and its containers' together, in each value, against that
/// total. Swap is not in it: what a guest has of it is not known to the host.
std::optional<Drop> check_memory(const wire::Guest& guest, const std::vector<wire::Container>& containers,
                                 std::uint64_t mapped_bytes);

/// Whether a container's value only ever rises. Not memory_failcnt: the guest's administrator may write 0 to it. Not
/// cpu_user_ns and cpu_system_ns: kernels divide the usage between the two, and a guest-probe that was started again does
/// not know how it was divided before.
constexpr bool is_monotonic(std::size_t figure) {
  return wire::container_figures[figure].kind == FigureKind::counter;
}

/// The same of a value of the guest as a whole, by its place in wire::guest_figures.
constexpr bool is_monotonic_of_guest(std::size_t figure) {
  return wire::guest_figures[figure].kind == FigureKind::counter;
}

/// Checks each snapshot of one run of a guest by itself, and against the last one: the clock must not leap, counters
/// must not fall. Pure: the caller gives the time. The decoder has already bounded sizes and numbers of entries.
class SnapshotRules {
 public:
  /// The host's CLOCK_BOOTTIME: it counts the time that a node was suspended, as a guest's clock may.
  using Time = std::chrono::nanoseconds;

  /// By how much a guest's clock may gain on the host's between two snapshots: after a VM pause the guest's clock may
  /// jump.
  static constexpr std::chrono::seconds clock_slack{30};

  /// The rule that the snapshot, received `now`, breaks first. A step (is_step()) is reported only of a snapshot that
  /// breaks no other rule.
  std::optional<Drop> check(const wire::Snapshot& snapshot, Time now) const;

  /// Makes this snapshot, received `now`, the one that the next is compared with.
  void compare_with(const wire::Snapshot& snapshot, Time now);

 private:
  static constexpr auto& monotonic = figures_where<&is_monotonic>;
  static constexpr auto& monotonic_of_guest = indices_where<wire::guest_figures.size(), &is_monotonic_of_guest>;
  using Counters = std::array<wire::Figure, monotonic.size()>;
  struct Last {
    std::uint64_t boottime_ns = 0;
    Time received{};
    std::array<wire::Figure, monotonic_of_guest.size()> guest{};
    std::map<ContainerId, Counters> living;
  };

  std::optional<Drop> check_clock(const wire::Snapshot& snapshot, Time now) const;
  std::optional<Drop> check_guest(const wire::Snapshot& snapshot) const;
  std::optional<Drop> check_containers(const wire::Snapshot& snapshot) const;
  std::optional<Drop> check_container(const wire::Container& container) const;

  std::optional<Last> last_;
};

}  // namespace katameter::host
