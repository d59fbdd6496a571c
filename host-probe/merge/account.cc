#include "host-probe/merge/account.h"

#include "host-probe/merge/report.h"

namespace katameter {
namespace {

std::optional<GuestCpuReading> cpu_reading(const SandboxReport& report) {
  if (!report.guest_cpu) return std::nullopt;
  return GuestCpuReading{report.guest_boot, report.guest_cpu->workload_ns + report.guest_cpu->guest_system_ns,
                         report.guest_cpu->workload_ns};
}

std::optional<GuestMemoryReading> memory_reading(const SandboxReport& report) {
  const wire::Guest& guest = report.guest;
  if (!report.guest_up || !guest.memory_total_bytes || !guest.memory_free_bytes) return std::nullopt;
  GuestMemoryReading reading{*guest.memory_total_bytes, *guest.memory_free_bytes, guest.memory_cache_bytes.value_or(0),
                             guest.unattributed_memory_usage_bytes.value_or(0)};
  for (const wire::Container& container : report.containers) {
    if (!container.removed) reading.workload += container.memory_usage_bytes.value_or(0);
  }
  return reading;
}

}  // namespace

Account Books::take_up(const SandboxReport& report) {
  const SandboxProcesses& host = *report.processes;
  // The same snapshot a second time is no answer.
  const bool answered = report.guest_up && report.guest_snapshots != last_snapshot_;
  last_snapshot_ = report.guest_snapshots;
  const auto guest = answered ? cpu_reading(report) : std::nullopt;
  cpu_.update(host, guest);
  if (guest) {
    const std::uint64_t step = guest->workload_ns - std::min(guest->workload_ns, last_workload_ns_);
    last_workload_ns_ = guest->workload_ns;
    shares_.update(report.containers, cpu_.workload_step_ns(), step, cpu_.divided());
  }

  Account account;
  for (std::size_t i = 0; i < cpu_components; ++i) account.cpu_ns[i] = cpu_.of(static_cast<CpuComponent>(i));
  account.cpu_total_ns = cpu_.total_ns();
  account.cpu_overhead_ns = cpu_.overhead_ns();
  account.steal_ns = cpu_.steal_ns();
  account.guest_known = cpu_.guest_known();
  account.divided = cpu_.divided();
  if (report.guest_up) account.container_cpu_ns = shares_.host_cpu_ns();
  account.memory = account_memory(host.memory, memory_reading(report));
  return account;
}

}  // namespace katameter
