#pragma once

#include <cstdint>
#include <map>

#include "userspace/result.h"
#include "userspace/wire/container_id.h"

// What the processes of a sandbox cost the host, as everything outside host-probe/processes/ sees it.
namespace katameter {

/// vcpu: the VMM's vCPU threads; vmm: its other threads; virtiofsd: both of its processes.
enum class Role { vcpu, vmm, virtiofsd };

/// Cumulative over the sandbox's life, dead threads and processes included.
struct RoleCpu {
  std::uint64_t cpu_ns = 0;        // time on a CPU
  std::uint64_t run_delay_ns = 0;  // time spent runnable, waiting for one
};

/// At the moment of the pass; guest RAM is counted once although the VMM and virtiofsd both map it.
struct SandboxMemory {
  std::uint64_t guest_ram_bytes = 0;
  std::uint64_t vmm_bytes = 0;
  std::uint64_t virtiofsd_bytes = 0;
  std::uint64_t page_tables_bytes = 0;
};

struct SandboxProcesses {
  std::map<Role, RoleCpu> cpu;  // a role that the sandbox does not have is absent
  SandboxMemory memory;
};

/// Where the host's figures come from: BPF in production (process_account.h), a table in tests.
class ProcessSource {
 public:
  virtual ~ProcessSource() = default;

  /// One pass over all sandboxes now, keyed by sandbox id. Called from the event loop's thread, once per collection.
  virtual Result<std::map<ContainerId, SandboxProcesses>> collect() = 0;

  /// The sandbox has ended: its figures may be dropped. Nothing to do for a source that keeps none.
  virtual void forget(const ContainerId& /*sandbox*/) {}
};

}  // namespace katameter
