#include "host-probe/merge/cpu_account.h"

#include <algorithm>
#include <numeric>

namespace katameter {
namespace {

std::uint64_t above(std::uint64_t value, std::uint64_t least) {
  return value > least ? value - least : 0;
}

std::uint64_t whole(double nanoseconds) {
  return nanoseconds > 0 ? static_cast<std::uint64_t>(nanoseconds) : 0;
}

}  // namespace

const char* name(CpuComponent component) {
  switch (component) {
    case CpuComponent::workload: return "workload";
    case CpuComponent::guest_system: return "guest_system";
    case CpuComponent::guest_silent: return "guest_silent";
    case CpuComponent::vcpu_exits: return "vcpu_exits";
    case CpuComponent::vmm: return "vmm";
    case CpuComponent::virtiofsd: return "virtiofsd";
    case CpuComponent::shim: return "shim";
    case CpuComponent::vhost: return "vhost";
    case CpuComponent::residual: break;
  }
  return "residual";
}

void CpuAccount::begin(const SandboxProcesses& before) {
  last_ = before.cpu;
  last_guest_.reset();
}

RoleCpu CpuAccount::step_of(const SandboxProcesses& host, Role role) {
  const auto found = host.cpu.find(role);
  if (found == host.cpu.end()) return {};
  RoleCpu& last = last_[role];
  const RoleCpu step{above(found->second.cpu_ns, last.cpu_ns), above(found->second.run_delay_ns, last.run_delay_ns)};
  last = found->second;
  return step;
}

std::uint64_t CpuAccount::take_claims(const RoleCpu& vcpus, const GuestCpuReading& guest) {
  const auto cpu = static_cast<double>(guest.cpu_ns - last_guest_->cpu_ns);
  const double workload = std::min(static_cast<double>(guest.workload_ns - last_guest_->workload_ns), cpu);
  const auto occupied = static_cast<double>(vcpus.cpu_ns) + static_cast<double>(vcpus.run_delay_ns);
  const double ran = occupied > 0 ? static_cast<double>(vcpus.cpu_ns) / occupied : 1;
  workload_claim_ns_ += workload * ran;
  system_claim_ns_ += (cpu - workload) * ran;
  // Whatever the guest claims, it waited no longer than its vCPUs did.
  steal_ns_ += std::min(whole(cpu * (1 - ran)), vcpus.run_delay_ns);

  const double claims = workload_claim_ns_ + system_claim_ns_;
  if (claims <= 0) return 0;
  const std::uint64_t taken = std::min(vcpus.cpu_ns, whole(claims));
  workload_step_ns_ = std::min(taken, whole(static_cast<double>(taken) * (workload_claim_ns_ / claims)));
  at(CpuComponent::workload) += workload_step_ns_;
  at(CpuComponent::guest_system) += taken - workload_step_ns_;
  const double left = claims - static_cast<double>(taken);
  const double kept = std::min(left, static_cast<double>(longest_claim_ns)) / claims;
  workload_claim_ns_ *= kept;
  system_claim_ns_ *= kept;
  return taken;
}

void CpuAccount::divide(const RoleCpu& vcpus, const GuestCpuReading& guest, bool told_apart, bool at_start) {
  const std::uint64_t surely_exits = above(vcpus.cpu_ns, guest.cpu_ns - last_guest_->cpu_ns);
  const std::uint64_t rest = vcpus.cpu_ns - take_claims(vcpus, guest);
  if (!told_apart) {
    at(CpuComponent::vmm) += rest;
  } else if (at_start) {
    // Until its first answer the guest booted, with nobody counting.
    at(CpuComponent::guest_silent) += rest;
  } else {
    const std::uint64_t exits = std::min(rest, surely_exits);
    at(CpuComponent::vcpu_exits) += exits;
    at(CpuComponent::residual) += rest - exits;
  }
}

void CpuAccount::update(const SandboxProcesses& host, const std::optional<GuestCpuReading>& guest) {
  const RoleCpu vcpu = step_of(host, Role::vcpu);
  const RoleCpu vmm = step_of(host, Role::vmm);
  at(CpuComponent::virtiofsd) += step_of(host, Role::virtiofsd).cpu_ns;
  at(CpuComponent::shim) += step_of(host, Role::shim).cpu_ns;
  at(CpuComponent::vhost) += step_of(host, Role::vhost).cpu_ns;

  const bool told_apart = host.cpu.contains(Role::vcpu);
  if (told_apart) at(CpuComponent::vmm) += vmm.cpu_ns;
  const RoleCpu& vcpus = told_apart ? vcpu : vmm;

  workload_step_ns_ = 0;
  guest_known_ = guest_known_ || guest.has_value();
  const bool at_start = first_ && last_guest_;
  divided_ = guest && last_guest_ && (at_start || guest->boot == last_guest_->boot) &&
             guest->cpu_ns >= last_guest_->cpu_ns && guest->workload_ns >= last_guest_->workload_ns;
  if (divided_) {
    divide(vcpus, *guest, told_apart, at_start);
  } else {
    at(told_apart ? CpuComponent::guest_silent : CpuComponent::vmm) += vcpus.cpu_ns;
    workload_claim_ns_ = system_claim_ns_ = 0;
  }
  last_guest_ = guest;
  first_ = false;
}

std::uint64_t CpuAccount::total_ns() const {
  return std::accumulate(components_.begin(), components_.end(), std::uint64_t{0});
}

std::uint64_t CpuAccount::overhead_ns() const {
  return total_ns() - of(CpuComponent::workload) - of(CpuComponent::guest_silent);
}

}  // namespace katameter
