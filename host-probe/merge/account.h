#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "host-probe/merge/container_shares.h"
#include "host-probe/merge/cpu_account.h"
#include "host-probe/merge/memory_account.h"

namespace katameter {

struct SandboxReport;

/// The books of one sandbox as one collection found them: plain data.
struct Account {
  std::array<std::uint64_t, cpu_components> cpu_ns{};  // by CpuComponent
  std::uint64_t cpu_total_ns = 0;                      // all of them
  std::uint64_t cpu_overhead_ns = 0;
  std::uint64_t steal_ns = 0;
  bool guest_known = false;  // the guest has told of itself at least once: overhead and steal mean something
  bool divided = false;      // this step's vCPU time was divided by what the guest told
  std::map<ContainerId, std::uint64_t> container_cpu_ns;  // of the host's, by container
  MemoryAccount memory;
};

/// Keeps the books of one sandbox over all collections.
class Books {
 public:
  /// See CpuAccount::begin().
  void begin(const SandboxProcesses& before) { cpu_.begin(before); }
  /// Takes up one collection, which has the processes' figures.
  Account take_up(const SandboxReport& report);

 private:
  CpuAccount cpu_;
  ContainerShares shares_;
  std::uint64_t last_snapshot_ = 0;
  std::uint64_t last_workload_ns_ = 0;
};

}  // namespace katameter
