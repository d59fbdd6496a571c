#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "host-probe/processes/process_source.h"

namespace katameter {

/// Where the host's CPU time of a sandbox went.
enum class CpuComponent : std::size_t {
  workload,      // vCPU time, to its containers
  guest_system,  // vCPU time, to the rest of the guest
  guest_silent,  // vCPU time while the guest did not tell what it does, its boot included
  vcpu_exits,    // vCPU time that the guest's kernel counts as nobody's: halts, exits and interrupts while it is idle
  vmm,
  virtiofsd,
  shim,
  vhost,
  residual,  // vCPU time that may be the guest's or exits: which, the vCPUs' waiting for a CPU hides
};
constexpr std::size_t cpu_components = 9;
const char* name(CpuComponent component);

/// CPU time of a guest as its kernel counts it: both cumulative since its boot.
struct GuestCpuReading {
  std::uint64_t boot = 0;  // tells one boot of the guest from another
  std::uint64_t cpu_ns = 0;
  std::uint64_t workload_ns = 0;  // part of it
};

/// The CPU account of one sandbox: every nanosecond that the host gave it is in one component, so that their sum is the
/// host's total whatever the guest says. No component ever falls: each step adds what came since the last one.
///
/// A guest counts the time that its vCPUs waited for a host CPU as its own, and exits that happen while something runs in
/// it: what it tells is scaled by vCPU time / (vCPU time + wait), the rest is steal. That takes the wait to be spread
/// evenly over the guest's busy and idle moments; what would be somebody else's if it was not is the residual. On a host
/// with CPUs to spare there is no wait, hence no residual. Guest and host are read a moment apart, up to a collection's
/// deadline; what the guest claims beyond the vCPU time of a step is taken up in the next ones, a second's worth at
/// most. So a guest can claim no more than the vCPUs had.
///
/// Only a step at whose both ends the guest answered is divided; all others are guest_silent. A VMM whose vCPU threads
/// cannot be told from the others has them in vmm; what the guest tells is then taken out of that.
class CpuAccount {
 public:
  static constexpr std::uint64_t longest_claim_ns = 1'000'000'000;

  /// What the processes had used before counting begins; without it, counting begins at their start.
  void begin(const SandboxProcesses& before);
  /// The figures of one collection. `guest` is a new answer of the guest, or nothing.
  void update(const SandboxProcesses& host, const std::optional<GuestCpuReading>& guest);

  std::uint64_t of(CpuComponent component) const { return components_[static_cast<std::size_t>(component)]; }
  /// All components.
  std::uint64_t total_ns() const;
  /// What the sandbox cost beyond its workload, guest_silent left out: nobody knows what that was.
  std::uint64_t overhead_ns() const;
  /// How much of what the guest counted was waiting for a host CPU.
  std::uint64_t steal_ns() const { return steal_ns_; }
  /// The last step of `workload`, and whether it was divided at all.
  std::uint64_t workload_step_ns() const { return workload_step_ns_; }
  bool divided() const { return divided_; }
  /// The guest has told of itself at least once.
  bool guest_known() const { return guest_known_; }

 private:
  std::uint64_t& at(CpuComponent component) { return components_[static_cast<std::size_t>(component)]; }
  RoleCpu step_of(const SandboxProcesses& host, Role role);
  std::uint64_t take_claims(const RoleCpu& vcpus, const GuestCpuReading& guest);
  void divide(const RoleCpu& vcpus, const GuestCpuReading& guest, bool told_apart, bool at_start);

  std::array<std::uint64_t, cpu_components> components_{};
  std::map<Role, RoleCpu> last_;
  std::optional<GuestCpuReading> last_guest_{GuestCpuReading{}};  // at the start of the processes: nothing
  double workload_claim_ns_ = 0;
  double system_claim_ns_ = 0;
  std::uint64_t steal_ns_ = 0;
  std::uint64_t workload_step_ns_ = 0;
  bool divided_ = false;
  bool first_ = true;
  bool guest_known_ = false;
};

}  // namespace katameter
