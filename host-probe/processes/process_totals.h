#pragma once

#include <cstdint>
#include <map>

#include "host-probe/processes/process_identity.h"
#include "host-probe/processes/process_source.h"

namespace katameter::host {

/// CPU of one process as the kernel had it at one moment, dead threads included.
struct ProcessCpu {
  std::uint64_t cpu_ns = 0;         // all threads, by the process's own sum
  std::uint64_t vcpu_ns = 0;        // vCPU threads, by theirs
  std::uint64_t vcpu_delay_ns = 0;  // run-queue wait of vCPU threads
  std::uint64_t kernel_ns = 0;      // the kernel's own threads in the process
  std::uint64_t kernel_delay_ns = 0;
  std::uint64_t other_delay_ns = 0;
  bool has_vcpus = false;
  bool has_kernel = false;
  bool split_settled = true;  // no dead thread is in cpu_ns that is not in vcpu_ns or kernel_ns where it belongs
};

/// CPU of one process by role. Never falls, whatever it is told: in the moments between a thread's end and its freeing
/// some of the kernel's figures lack it, and then what was known stands. The roles together are what the process's own
/// sum says: what it grows by goes to the vCPUs and the kernel's threads up to theirs, the rest to the others. So a
/// thread that turns out late to be a vCPU has its time moved without anything being counted twice.
class ProcessTotals {
 public:
  explicit ProcessTotals(ProcessKind kind) : kind_(kind) {}
  /// A process that was something else before an exec: what it had used till then stays with that.
  ProcessTotals(ProcessKind kind, const ProcessTotals& before);

  ProcessKind kind() const { return kind_; }
  void update(const ProcessCpu& now);
  void update(const RoleUsage& now);
  void add_to(std::map<Role, RoleCpu>& sums) const;
  void add_to(std::map<Role, RoleUsage>& sums) const;

 private:
  ProcessKind kind_;
  bool has_vcpus_ = false;
  bool has_kernel_ = false;
  RoleCpu vcpu_;
  RoleCpu kernel_;
  RoleCpu other_;  // of a VMM: its threads that are neither; of virtiofsd: all
  RoleUsage usage_;
  RoleCpu base_;  // told of it in another role
  RoleUsage usage_base_;
};

/// The role of a process as a whole, and of its threads that nothing tells apart.
Role role_of(ProcessKind kind);

/// `sums` += `more`, role by role.
void add_roles(std::map<Role, RoleCpu>& sums, const std::map<Role, RoleCpu>& more);

}  // namespace katameter::host
