#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "host-probe/sandbox_id.h"
#include "userspace/result.h"

// What the processes of a sandbox cost the host, as everything outside host-probe/processes/ sees it.
namespace katameter::host {

/// vcpu: the VMM's vCPU threads; vmm: its other threads; virtiofsd: both of its processes; shim: Kata's, with what it
/// runs for a moment; vhost: the kernel's threads that work for the VMM.
enum class Role { vcpu, vmm, virtiofsd, shim, vhost };
inline constexpr std::array roles{Role::vcpu, Role::vmm, Role::virtiofsd, Role::shim, Role::vhost};

constexpr const char* name(Role role) {
  switch (role) {
    case Role::vcpu: return "vcpu";
    case Role::vmm: return "vmm";
    case Role::virtiofsd: return "virtiofsd";
    case Role::shim: return "shim";
    case Role::vhost: break;
  }
  return "vhost";
}

/// Cumulative over the sandbox's life, dead threads and processes included; of those that were dead when host-probe
/// started only what the kernel has kept.
struct RoleCpu {
  std::uint64_t cpu_ns = 0;        // time on a CPU
  std::uint64_t run_delay_ns = 0;  // time spent runnable, waiting for one
};

/// Cumulative as RoleCpu, but of whole processes: those of the VMM's vCPU threads are in the role vmm.
struct RoleUsage {
  std::uint64_t guest_ns = 0;  // time in guest mode, in ticks; part of the CPU time
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t read_bytes = 0;  // fetched from storage
  std::uint64_t write_bytes = 0;
};

inline constexpr std::array usage_counters{&RoleUsage::guest_ns, &RoleUsage::minor_faults, &RoleUsage::major_faults,
                                           &RoleUsage::read_bytes, &RoleUsage::write_bytes};

/// Resident memory of the role's processes at the moment of the pass, each process's added up: page cache and guest RAM
/// that several have mapped are in it several times.
struct RoleMemory {
  std::uint64_t anonymous_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t shared_bytes = 0;
  std::uint64_t page_tables_bytes = 0;
};

/// Processes that the host's OOM killer chose, by role.
using HostOoms = std::map<Role, std::uint64_t>;

/// At the moment of the pass; guest RAM is counted once although the VMM and virtiofsd both map it.
struct SandboxMemory {
  std::uint64_t guest_ram_bytes = 0;
  std::uint64_t vmm_bytes = 0;
  std::uint64_t virtiofsd_bytes = 0;
  std::uint64_t shim_bytes = 0;
  std::uint64_t page_tables_bytes = 0;
  /// What the kernel charges to the sandbox's own cgroups (memory.current; v1: memory.usage_in_bytes), page cache and
  /// the kernel's memory included. Absent while one of its processes is in another cgroup.
  std::optional<std::uint64_t> cgroup_bytes{};
  /// What the VMM has mapped, touched or not: a guest cannot have more RAM. Dragonball's is its shim's. 0: not known.
  std::uint64_t vmm_mapped_bytes = 0;

  std::uint64_t total() const { return guest_ram_bytes + vmm_bytes + virtiofsd_bytes + shim_bytes + page_tables_bytes; }
};

struct SandboxProcesses {
  std::map<Role, RoleCpu> cpu;  // a role that the sandbox does not have is absent
  SandboxMemory memory;
  std::map<Role, RoleUsage> usage{};         // by process
  std::map<Role, RoleMemory> role_memory{};  // by process
  HostOoms oom_kills{};                      // by the host's OOM killer, from 0 on
  bool io = false;                           // the kernel counts read_bytes and write_bytes

  /// The sandbox's VMM is, or was, among them; Dragonball is a part of the shim. Without it their sums are not the
  /// sandbox's.
  bool has_vmm() const { return cpu.contains(Role::vmm) || cpu.contains(Role::vcpu); }
  /// Time in guest mode of all of them; 0 without KVM.
  std::uint64_t guest_mode_ns() const {
    std::uint64_t sum = 0;
    for (const auto& [role, counters] : usage) sum += counters.guest_ns;
    return sum;
  }
};

/// Where the host's values come from: BPF in production (process_account.h), a table in tests.
class ProcessSource {
 public:
  virtual ~ProcessSource() = default;

  /// One pass over all sandboxes now, keyed by sandbox id; those that were forgotten until their last process has ended,
  /// and once more then. Called from the event loop's thread, once per collection.
  virtual Result<std::map<SandboxId, SandboxProcesses>> collect() = 0;

  /// The sandbox is there, maybe again after forget(): its VMM outlives its sockets where a guest reboots in place. Its
  /// VMM's command line has `vm` for its id (SandboxPlace::vm()).
  virtual void follow(const SandboxId& /*sandbox*/, const SandboxId& /*vm*/) {}

  /// Takes in which processes have started since the last collection, for what is asked next.
  virtual void catch_up() {}

  /// Whether a process of the sandbox was running at the last collection, or started since. True where that cannot be
  /// known.
  virtual bool lives(const SandboxId& /*sandbox*/) const { return true; }

  /// The sandboxes whose shims are known.
  virtual std::set<SandboxId> of_shims() const { return {}; }

  /// The sandbox has ended: its values may be dropped once its processes have ended, too, and collect() has returned the
  /// last of them. The OOM kills of its processes, up to now: the last of them may be what ended it.
  virtual HostOoms forget(const SandboxId& /*sandbox*/) { return {}; }

  /// Whether collect() has values to return of a sandbox that was forgotten, or will have: it had a process.
  virtual bool has_last_values(const SandboxId& /*sandbox*/) const { return false; }

  /// The process id of the sandbox's VMM; nothing if none is known, or it has ended.
  virtual std::optional<std::uint32_t> vmm(const SandboxId& /*sandbox*/) const { return std::nullopt; }
};

}  // namespace katameter::host
