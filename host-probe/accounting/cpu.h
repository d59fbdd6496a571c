#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/processes/process_source.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// Where the host's CPU time of a sandbox went.
enum class CpuComponent : std::size_t {
  workload,      // vCPU time, to its containers
  guest_system,  // vCPU time, to the rest of the guest
  guest_silent,  // vCPU time while the guest did not report what it does, its boot included
  vcpu_exits,    // vCPU time that the guest's kernel charges to nothing: halts, exits and interrupts while it is idle
  vmm,
  virtiofsd,
  shim,
  vhost,
  residual,  // without KVM: vCPU time of the guest or of exits; the vCPUs' wait for a CPU leaves open which
};
constexpr std::size_t cpu_components = 9;
/// CPU time in ns, by CpuComponent.
using CpuByComponent = std::array<std::uint64_t, cpu_components>;
const char* name(CpuComponent component);

/// CPU time of the guest as its kernel counts it, split so that both parts together are all of it.
struct GuestCpu {
  std::uint64_t workload_ns = 0;
  std::uint64_t guest_system_ns = 0;
};

/// guest_system_ns by owner; all four together are all of it.
struct GuestSystemCpu {
  std::uint64_t kernel_ns = 0;
  std::uint64_t agent_ns = 0;
  std::uint64_t probe_ns = 0;
  std::uint64_t other_ns = 0;
};

/// Splits what the guest's kernel counts; nothing if the guest does not report it. The guest system's part is a
/// difference of two counters that are read a moment apart: it does not fall from `last` on.
std::optional<GuestCpu> split_guest_cpu(const wire::Guest& guest, const std::optional<GuestCpu>& last);

/// Divides the guest system's CPU time between its owners; nothing if the guest does not report them. The four together
/// are always `guest_system_ns`. None falls from `last` on: the guest reads the owners a moment before the whole, so
/// that a part may have come further than the whole less the rest, and is then reported a moment late.
std::optional<GuestSystemCpu> divide_guest_system_cpu(std::uint64_t guest_system_ns, const wire::Guest& guest,
                                                      const std::optional<GuestSystemCpu>& last);

/// CPU time of a guest as its kernel counts it: both cumulative in one run of the guest.
struct GuestCpuReading {
  std::uint64_t run = 0;  // readings of different runs are not compared
  std::uint64_t cpu_ns = 0;
  std::uint64_t workload_ns = 0;  // part of it
};

/// The CPU account of one sandbox: every nanosecond that the host gave it is in one component, so that their sum is the
/// host's total, less held_ns(), whatever the guest reports. No component ever falls: each step adds what came since the
/// last one.
///
/// A guest counts the time that its vCPUs waited for a host CPU as its own, and exits that happen while something runs in
/// it: what it reports is scaled by vCPU time / (vCPU time + wait), the rest is steal. This assumes the wait is spread
/// evenly over busy and idle periods. With KVM the host also counts the time in guest mode (gtime), in which an idle
/// guest hardly is: what the guest reports is not scaled below that, nor below the exits that belong to it. How many they
/// are, for the time in guest mode, is taken from the steps in which the wait leaves nothing open: there was none, or the
/// guest was always busy. So the wait of an idle guest is not taken for its steal, and neither is a guest scaled that takes
/// the steal out itself (CONFIG_PARAVIRT_TIME_ACCOUNTING). The rest is `vcpu_exits`. The error is at most the vCPU time
/// outside guest mode. Without KVM `residual` is what the wait leaves open; a host with idle CPUs has no wait. Guest and
/// host are read a moment apart, up to a collection's deadline; what the guest reports beyond the vCPU time of a step is
/// carried over to the next ones, a second's worth at most. So a guest cannot be charged with more than the vCPUs had.
///
/// Only a step at whose both ends the guest answered is divided; all others are guest_silent. A guest that has answered
/// and then does not, for max_held_steps collections at most, has its vCPU time held back: if it is back, what it used
/// meanwhile is known from its counters, and no component could give back what it got. A VMM whose vCPU threads
/// cannot be identified has them in vmm; what the guest reports is then taken out of that.
class CpuAccount {
 public:
  static constexpr std::uint64_t max_carried_ns = 1'000'000'000;
  static constexpr int max_held_steps =
      2;  // guest-probe starts again within seconds, a collection comes every 15 to 60

  /// What the processes had used before counting begins; without it, counting begins at their start.
  void begin(const SandboxProcesses& before);
  /// The values of one collection. `guest` is the guest's answer to this collection, or nothing. `late`: there is one to
  /// an earlier collection instead, so that nothing is held back: a slow guest stays slow.
  void update(const SandboxProcesses& host, const std::optional<GuestCpuReading>& guest, bool late = false);

  std::uint64_t of(CpuComponent component) const { return components_[static_cast<std::size_t>(component)]; }
  const CpuByComponent& components() const { return components_; }
  /// The sum of all components.
  std::uint64_t total_ns() const;
  /// What each component has gained since the last call, or since counting began.
  CpuByComponent take_gained();
  /// vCPU time that is in no component yet: the guest is waited for.
  std::uint64_t held_ns() const { return held_.cpu_ns; }
  /// What the sandbox cost beyond its workload, without guest_silent: what that was is not known.
  std::uint64_t overhead_ns() const;
  /// How much of what the guest counted was waiting for a host CPU.
  std::uint64_t steal_ns() const { return steal_ns_; }
  /// The last step of `workload`, and whether it was divided at all.
  std::uint64_t workload_step_ns() const { return workload_step_ns_; }
  bool divided() const { return divided_; }
  /// The guest has answered at least once.
  bool guest_known() const { return guest_known_; }

 private:
  /// What the vCPUs had since the step before.
  struct VcpuStep : RoleCpu {
    std::uint64_t guest_mode_ns = 0;  // 0 without KVM
  };
  std::uint64_t& at(CpuComponent component) { return components_[static_cast<std::size_t>(component)]; }
  RoleCpu step_of(const SandboxProcesses& host, Role role);
  void learn_exits(const VcpuStep& vcpus, double guest_cpu_ns);
  std::uint64_t charge_guest(const VcpuStep& vcpus, const GuestCpuReading& guest);
  void divide(const VcpuStep& vcpus, const GuestCpuReading& guest, bool vcpus_known, bool at_start);

  CpuByComponent components_{};
  CpuByComponent taken_{};  // by take_gained()
  std::map<Role, RoleCpu> last_;
  std::optional<GuestCpuReading> last_guest_{GuestCpuReading{}};  // at the start of the processes: nothing
  double workload_due_ns_ = 0;                                    // reported and not yet charged, the wait taken out
  double system_due_ns_ = 0;
  std::uint64_t last_guest_mode_ns_ = 0;
  // Of the steps in which it is known: how long the guest's work ran, exits included, and how long in guest mode.
  double known_ran_ns_ = 0;
  double known_guest_mode_ns_ = 0;
  VcpuStep held_;
  int held_steps_ = 0;
  std::uint64_t steal_ns_ = 0;
  std::uint64_t workload_step_ns_ = 0;
  bool divided_ = false;
  bool first_ = true;
  bool guest_known_ = false;
};

}  // namespace katameter::host
