#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "userspace/wire/messages.h"

namespace katameter::host {

/// What the host spends for all containers of a sandbox together, and is divided among them.
enum class SharedCost : std::size_t {
  workload_cpu,      // ns: CpuComponent::workload
  virtiofsd_cpu,     // ns: CpuComponent::virtiofsd
  virtiofsd_reads,   // bytes: RoleUsage::read_bytes of virtiofsd
  virtiofsd_writes,  // bytes: write_bytes
  vmm_reads,         // bytes: the same of the VMM's process
  vmm_writes,
};
constexpr std::size_t shared_costs = 6;

/// Cumulative, by SharedCost. Absent: the host does not know it, or a container did nothing that causes it.
using SharedCosts = std::array<std::optional<std::uint64_t>, shared_costs>;

constexpr std::optional<std::uint64_t>& at(SharedCosts& costs, SharedCost cost) {
  return costs[static_cast<std::size_t>(cost)];
}
constexpr std::optional<std::uint64_t> at(const SharedCosts& costs, SharedCost cost) {
  return costs[static_cast<std::size_t>(cost)];
}

/// Divides a sandbox's costs among its containers by what each did in a step, as the guest counts it:
/// - workload_cpu by CPU time;
/// - virtiofsd_cpu by requests to virtiofs, each of which weighs as much as request_bytes, and their bytes;
/// - virtiofsd_reads and virtiofsd_writes by the bytes of these requests; in a step without any, as virtiofsd_cpu, because
///   names and attributes are read from storage too;
/// - vmm_reads and vmm_writes by bytes of block I/O, and of virtiofs where there is no virtiofsd. A container gets no more
///   than these bytes: the VMM has other causes for I/O, such as the guest's image.
///
/// What no container caused is unattributed: requests of the guest system and of owners that are not known, and all that
/// comes while the guest does not answer or does not count. No container's cost falls, and in each step all containers
/// and the unattributed costs get exactly what the host's costs have grown by.
class CostSharing {
 public:
  /// The bytes whose transfer costs virtiofsd as much CPU time as a request without data (docs/architecture.md).
  static constexpr double request_bytes = 256.0 * 1024;

  /// What the guest counts.
  struct Reading {
    const std::vector<wire::Container>& containers;
    std::uint64_t workload_ns = 0;            // CPU time of all containers
    const wire::Guest* guest_wide = nullptr;  // null: nothing is known of requests that are no container's
    bool has_virtiofsd = true;                // false: the VMM serves virtiofs
  };

  /// Adds one collection. `totals`: of the host. `divided`: the reading is to be compared with the last one; else only the
  /// next one is compared with it, and this step is unattributed.
  void update(const SharedCosts& totals, const Reading& reading, bool divided);
  /// The same without an answer of the guest.
  void update(const SharedCosts& totals) { static_cast<void>(take_steps(totals)); }

  /// Of the containers that the last reading had.
  const std::map<ContainerId, SharedCosts>& of_containers() const { return of_containers_; }
  const SharedCosts& unattributed() const { return unattributed_; }

 private:
  /// What costs are divided by; of a container, or of all that is no container's.
  struct Counted {
    std::optional<std::uint64_t> cpu_ns;
    std::optional<std::uint64_t> requests;
    std::optional<std::uint64_t> read_bytes;
    std::optional<std::uint64_t> written_bytes;
    std::optional<std::uint64_t> block_read_bytes;
    std::optional<std::uint64_t> block_written_bytes;
  };
  /// By SharedCost.
  using Steps = std::array<std::uint64_t, shared_costs>;
  using Weights = std::array<double, shared_costs>;
  /// Of the containers of a reading, in their order; the last one of what is no container's.
  using Parts = std::vector<Weights>;

  static Counted counted(const Reading& reading, const wire::Container& container);
  static Counted counted_of_others(const wire::Guest& guest);
  static Weights weights(Counted& now, const Counted& before);
  static std::array<bool, shared_costs> causes(const Counted& counted);
  /// What the host's costs have grown by; all of it is unattributed until a container gets it.
  Steps take_steps(const SharedCosts& totals);
  Parts parts_of(const Reading& reading);

  std::map<ContainerId, Counted> counted_;
  Counted others_;
  SharedCosts last_{};  // of the host
  SharedCosts unattributed_{};
  std::map<ContainerId, SharedCosts> of_containers_;
};

}  // namespace katameter::host
