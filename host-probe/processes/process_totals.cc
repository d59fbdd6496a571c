#include "host-probe/processes/process_totals.h"

#include <algorithm>
#include <array>

namespace katameter::host {
namespace {

constexpr std::array usage_figures{&RoleUsage::guest_ns, &RoleUsage::minor_faults, &RoleUsage::major_faults,
                                   &RoleUsage::read_bytes, &RoleUsage::write_bytes};

std::uint64_t above(std::uint64_t value, std::uint64_t least) {
  return value > least ? value - least : 0;
}

void raise(std::uint64_t& value, std::uint64_t to) {
  value = std::max(value, to);
}

void add(RoleCpu& sum, const RoleCpu& more) {
  sum.cpu_ns += more.cpu_ns;
  sum.run_delay_ns += more.run_delay_ns;
}

// Takes out of `growth` what `part` lacks.
void catch_up(std::uint64_t& part, std::uint64_t to, std::uint64_t& growth) {
  const std::uint64_t step = std::min(above(to, part), growth);
  part += step;
  growth -= step;
}

}  // namespace

Role role_of(ProcessKind kind) {
  switch (kind) {
    case ProcessKind::vmm: return Role::vmm;
    case ProcessKind::virtiofsd: return Role::virtiofsd;
    case ProcessKind::shim: return Role::shim;
    case ProcessKind::kernel: break;
  }
  return Role::vhost;
}

ProcessTotals::ProcessTotals(ProcessKind kind, const ProcessTotals& before)
    : kind_(kind), base_(before.base_), usage_base_(before.usage_base_) {
  add(base_, before.vcpu_);
  add(base_, before.kernel_);
  add(base_, before.other_);
  for (const auto figure : usage_figures) usage_base_.*figure += before.usage_.*figure;
}

void ProcessTotals::update(const ProcessCpu& now) {
  const std::uint64_t cpu_ns = above(now.cpu_ns, base_.cpu_ns);
  if (kind_ == ProcessKind::virtiofsd || kind_ == ProcessKind::kernel) {
    raise(other_.cpu_ns, cpu_ns);
    raise(other_.run_delay_ns, above(now.vcpu_delay_ns + now.kernel_delay_ns + now.other_delay_ns, base_.run_delay_ns));
    return;
  }
  has_vcpus_ = has_vcpus_ || now.has_vcpus;
  has_kernel_ = has_kernel_ || now.has_kernel;
  raise(vcpu_.run_delay_ns, now.vcpu_delay_ns);
  raise(kernel_.run_delay_ns, now.kernel_delay_ns);
  raise(other_.run_delay_ns, above(now.other_delay_ns, base_.run_delay_ns));
  if (!now.split_settled) {
    // Else a thread on its way out would be taken for other work, and that could never be taken back.
    raise(vcpu_.cpu_ns, now.vcpu_ns);
    raise(kernel_.cpu_ns, now.kernel_ns);
    return;
  }
  std::uint64_t growth = above(cpu_ns, vcpu_.cpu_ns + kernel_.cpu_ns + other_.cpu_ns);
  catch_up(vcpu_.cpu_ns, now.vcpu_ns, growth);
  catch_up(kernel_.cpu_ns, now.kernel_ns, growth);
  other_.cpu_ns += growth;
}

void ProcessTotals::update(const RoleUsage& now) {
  for (const auto figure : usage_figures) raise(usage_.*figure, above(now.*figure, usage_base_.*figure));
}

void ProcessTotals::add_to(std::map<Role, RoleCpu>& sums) const {
  add(sums[role_of(kind_)], other_);
  if (has_vcpus_) add(sums[Role::vcpu], vcpu_);
  if (has_kernel_) add(sums[Role::vhost], kernel_);
}

void ProcessTotals::add_to(std::map<Role, RoleUsage>& sums) const {
  RoleUsage& sum = sums[role_of(kind_)];
  for (const auto figure : usage_figures) sum.*figure += usage_.*figure;
}

void add_roles(std::map<Role, RoleCpu>& sums, const std::map<Role, RoleCpu>& more) {
  for (const auto& [role, cpu] : more) add(sums[role], cpu);
}

}  // namespace katameter::host
