#include "host-probe/processes/process_totals.h"

#include <algorithm>

namespace katameter {
namespace {

void raise(std::uint64_t& value, std::uint64_t to) {
  value = std::max(value, to);
}

void add(RoleCpu& sum, const RoleCpu& more) {
  sum.cpu_ns += more.cpu_ns;
  sum.run_delay_ns += more.run_delay_ns;
}

}  // namespace

void ProcessTotals::update(const ProcessCpu& now) {
  if (kind_ == ProcessKind::virtiofsd) {
    raise(other_.cpu_ns, now.cpu_ns);
    raise(other_.run_delay_ns, now.vcpu_delay_ns + now.other_delay_ns);
    return;
  }
  has_vcpus_ = has_vcpus_ || now.has_vcpus;
  raise(vcpu_.cpu_ns, now.vcpu_ns);
  raise(vcpu_.run_delay_ns, now.vcpu_delay_ns);
  raise(other_.run_delay_ns, now.other_delay_ns);
  // Else a vCPU thread on its way out would be taken for other work, and that could never be taken back.
  if (now.split_settled && now.cpu_ns > now.vcpu_ns) raise(other_.cpu_ns, now.cpu_ns - now.vcpu_ns);
}

void ProcessTotals::add_to(std::map<Role, RoleCpu>& sums) const {
  if (kind_ == ProcessKind::virtiofsd) {
    add(sums[Role::virtiofsd], other_);
    return;
  }
  add(sums[Role::vmm], other_);
  if (has_vcpus_) add(sums[Role::vcpu], vcpu_);
}

void add_roles(std::map<Role, RoleCpu>& sums, const std::map<Role, RoleCpu>& more) {
  for (const auto& [role, cpu] : more) add(sums[role], cpu);
}

}  // namespace katameter
