#include "host-probe/accounting/cpu.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace katameter::host {
namespace {

std::uint64_t above(std::uint64_t value, std::uint64_t least) {
  return value > least ? value - least : 0;
}

std::uint64_t whole(double nanoseconds) {
  return nanoseconds > 0 ? static_cast<std::uint64_t>(nanoseconds) : 0;
}

constexpr double sure_share = 0.98;
// After so much the older half of what is known of exits counts half: a guest's work changes.
constexpr std::uint64_t remembered_ns = 60'000'000'000;

using Part = std::uint64_t GuestSystemCpu::*;
constexpr std::array<Part, 3> reported{&GuestSystemCpu::kernel_ns, &GuestSystemCpu::agent_ns,
                                       &GuestSystemCpu::probe_ns};

// Takes `excess` from the parts that the guest reports, none of which goes below what it was.
void cut(GuestSystemCpu& cpu, std::uint64_t excess, const GuestSystemCpu& least) {
  for (const Part part : reported) {
    const std::uint64_t taken = std::min(excess, cpu.*part - std::min(cpu.*part, least.*part));
    cpu.*part -= taken;
    excess -= taken;
  }
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

std::optional<GuestCpu> split_guest_cpu(const wire::Guest& guest, const std::optional<GuestCpu>& last) {
  if (!guest.cpu_usage_ns || !guest.workload_cpu_usage_ns) return std::nullopt;
  const std::uint64_t system_ns = above(*guest.cpu_usage_ns, *guest.workload_cpu_usage_ns);
  return GuestCpu{*guest.workload_cpu_usage_ns, std::max(system_ns, last ? last->guest_system_ns : 0)};
}

std::optional<GuestSystemCpu> divide_guest_system_cpu(std::uint64_t guest_system_ns, const wire::Guest& guest,
                                                      const std::optional<GuestSystemCpu>& last) {
  if (!guest.kernel_cpu_usage_ns || !guest.agent_cpu_usage_ns || !guest.probe_cpu_usage_ns) return std::nullopt;
  const auto capped = [&](const wire::Figure& figure) { return std::min(*figure, guest_system_ns); };
  GuestSystemCpu cpu{capped(guest.kernel_cpu_usage_ns), capped(guest.agent_cpu_usage_ns),
                     capped(guest.probe_cpu_usage_ns), 0};
  const auto sum = [&] { return cpu.kernel_ns + cpu.agent_ns + cpu.probe_ns; };
  const auto excess_over = [&](std::uint64_t budget) { return sum() > budget ? sum() - budget : 0; };

  const GuestSystemCpu before = last.value_or(GuestSystemCpu{});
  cut(cpu, excess_over(guest_system_ns - std::min(guest_system_ns, before.other_ns)), before);
  cut(cpu, excess_over(guest_system_ns), {});  // a guest may report more than there is
  cpu.other_ns = guest_system_ns - sum();
  return cpu;
}

void CpuAccount::begin(const SandboxProcesses& before) {
  last_ = before.cpu;
  last_guest_mode_ns_ = before.guest_mode_ns();
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

// The guest's work ran for what the guest counts less what its vCPUs waited meanwhile: at least, if all of the wait fell
// into it, and at most, if none did.
void CpuAccount::learn_exits(const VcpuStep& vcpus, double guest_cpu_ns) {
  const double most = std::min(static_cast<double>(vcpus.cpu_ns), guest_cpu_ns);
  const double least = guest_cpu_ns - static_cast<double>(vcpus.run_delay_ns);
  if (vcpus.guest_mode_ns == 0 || least < sure_share * most) return;
  known_ran_ns_ += most;
  known_guest_mode_ns_ += static_cast<double>(vcpus.guest_mode_ns);
  if (known_ran_ns_ < static_cast<double>(remembered_ns)) return;
  known_ran_ns_ /= 2;
  known_guest_mode_ns_ /= 2;
}

std::uint64_t CpuAccount::charge_guest(const VcpuStep& vcpus, const GuestCpuReading& guest) {
  const auto cpu = static_cast<double>(guest.cpu_ns - last_guest_->cpu_ns);
  const double workload = std::min(static_cast<double>(guest.workload_ns - last_guest_->workload_ns), cpu);
  const auto occupied = static_cast<double>(vcpus.cpu_ns) + static_cast<double>(vcpus.run_delay_ns);
  const double even = occupied > 0 ? static_cast<double>(vcpus.cpu_ns) / occupied : 1;
  learn_exits(vcpus, cpu);
  const double with_exits = known_guest_mode_ns_ > 0 ? std::max(known_ran_ns_ / known_guest_mode_ns_, 1.0) : 1;
  // By ticks the time in guest mode may be longer than the time that it is part of.
  const double surely =
      std::min(static_cast<double>(vcpus.guest_mode_ns) * with_exits, static_cast<double>(vcpus.cpu_ns));
  const double ran = cpu > 0 ? std::max(even, std::min(surely / cpu, 1.0)) : even;
  workload_due_ns_ += workload * ran;
  system_due_ns_ += (cpu - workload) * ran;
  // Whatever the guest reports, it waited no longer than its vCPUs did.
  steal_ns_ += std::min(whole(cpu * (1 - ran)), vcpus.run_delay_ns);

  const double due = workload_due_ns_ + system_due_ns_;
  if (due <= 0) return 0;
  const std::uint64_t taken = std::min(vcpus.cpu_ns, whole(due));
  workload_step_ns_ = std::min(taken, whole(static_cast<double>(taken) * (workload_due_ns_ / due)));
  at(CpuComponent::workload) += workload_step_ns_;
  at(CpuComponent::guest_system) += taken - workload_step_ns_;
  const double left = due - static_cast<double>(taken);
  const double carried = std::min(left, static_cast<double>(max_carried_ns)) / due;
  workload_due_ns_ *= carried;
  system_due_ns_ *= carried;
  return taken;
}

void CpuAccount::divide(const VcpuStep& vcpus, const GuestCpuReading& guest, bool vcpus_known, bool at_start) {
  const std::uint64_t surely_exits = above(vcpus.cpu_ns, guest.cpu_ns - last_guest_->cpu_ns);
  const std::uint64_t rest = vcpus.cpu_ns - charge_guest(vcpus, guest);
  if (!vcpus_known) {
    at(CpuComponent::vmm) += rest;
  } else if (at_start) {
    // The guest booted until its first answer, and did not count.
    at(CpuComponent::guest_silent) += rest;
  } else {
    // With KVM it was neither in guest mode nor among the exits of what ran.
    const std::uint64_t exits = vcpus.guest_mode_ns > 0 ? rest : std::min(rest, surely_exits);
    at(CpuComponent::vcpu_exits) += exits;
    at(CpuComponent::residual) += rest - exits;
  }
}

void CpuAccount::update(const SandboxProcesses& host, const std::optional<GuestCpuReading>& guest, bool late) {
  const RoleCpu vcpu = step_of(host, Role::vcpu);
  const RoleCpu vmm = step_of(host, Role::vmm);
  at(CpuComponent::virtiofsd) += step_of(host, Role::virtiofsd).cpu_ns;
  at(CpuComponent::shim) += step_of(host, Role::shim).cpu_ns;
  at(CpuComponent::vhost) += step_of(host, Role::vhost).cpu_ns;

  const bool vcpus_known = host.cpu.contains(Role::vcpu);
  if (vcpus_known) at(CpuComponent::vmm) += vmm.cpu_ns;
  const RoleCpu& step = vcpus_known ? vcpu : vmm;
  const std::uint64_t guest_mode_ns = host.guest_mode_ns();
  VcpuStep vcpus = held_;
  vcpus.cpu_ns += step.cpu_ns;
  vcpus.run_delay_ns += step.run_delay_ns;
  vcpus.guest_mode_ns += above(guest_mode_ns, std::exchange(last_guest_mode_ns_, guest_mode_ns));

  workload_step_ns_ = 0;
  guest_known_ = guest_known_ || guest.has_value();
  const bool may_return = !first_ && last_guest_ && held_steps_ < max_held_steps;
  if (!guest && !late && may_return) {
    divided_ = false;
    held_ = vcpus;
    ++held_steps_;
    return;
  }
  held_ = {};
  held_steps_ = 0;
  const bool at_start = first_ && last_guest_;
  divided_ = guest && last_guest_ && (at_start || guest->run == last_guest_->run) &&
             guest->cpu_ns >= last_guest_->cpu_ns && guest->workload_ns >= last_guest_->workload_ns;
  if (divided_) {
    divide(vcpus, *guest, vcpus_known, at_start);
  } else {
    at(vcpus_known ? CpuComponent::guest_silent : CpuComponent::vmm) += vcpus.cpu_ns;
    workload_due_ns_ = system_due_ns_ = 0;
  }
  last_guest_ = guest;
  first_ = false;
}

std::uint64_t CpuAccount::total_ns() const {
  return std::accumulate(components_.begin(), components_.end(), std::uint64_t{0});
}

CpuByComponent CpuAccount::take_gained() {
  CpuByComponent gained{};
  for (std::size_t i = 0; i < cpu_components; ++i) gained[i] = components_[i] - taken_[i];
  taken_ = components_;
  return gained;
}

std::uint64_t CpuAccount::overhead_ns() const {
  return total_ns() - of(CpuComponent::workload) - of(CpuComponent::guest_silent);
}

}  // namespace katameter::host
