#pragma once

#include <cstdint>
#include <map>

#include "host-probe/processes/process_identity.h"
#include "host-probe/processes/process_source.h"

namespace katameter {

/// CPU of one process as the kernel had it at one moment, dead threads included.
struct ProcessCpu {
  std::uint64_t cpu_ns = 0;         // all threads, by the process's own sum
  std::uint64_t vcpu_ns = 0;        // vCPU threads, by theirs
  std::uint64_t vcpu_delay_ns = 0;  // run-queue wait of vCPU threads
  std::uint64_t other_delay_ns = 0;
  bool has_vcpus = false;
  bool split_settled = true;  // no dead vCPU thread is in cpu_ns that is not in vcpu_ns yet
};

/// CPU of one process by role. Never falls, whatever it is told: in the moments between a thread's end and its freeing
/// some of the kernel's figures lack it, and then what was known stands.
class ProcessTotals {
 public:
  explicit ProcessTotals(ProcessKind kind) : kind_(kind) {}

  ProcessKind kind() const { return kind_; }
  void update(const ProcessCpu& now);
  void add_to(std::map<Role, RoleCpu>& sums) const;

 private:
  ProcessKind kind_;
  bool has_vcpus_ = false;
  RoleCpu vcpu_;
  RoleCpu other_;  // of a VMM: its threads that are no vCPUs; of virtiofsd: all
};

/// `sums` += `more`, role by role.
void add_roles(std::map<Role, RoleCpu>& sums, const std::map<Role, RoleCpu>& more);

}  // namespace katameter
