#include "host-probe/merge/guest_system_cpu.h"

#include <algorithm>
#include <array>

namespace katameter {
namespace {

using Part = std::uint64_t GuestSystemCpu::*;
constexpr std::array<Part, 3> told{&GuestSystemCpu::kernel_ns, &GuestSystemCpu::agent_ns, &GuestSystemCpu::probe_ns};

// Takes `excess` from the parts that the guest tells, none of which goes below what it was.
void cut(GuestSystemCpu& cpu, std::uint64_t excess, const GuestSystemCpu& least) {
  for (const Part part : told) {
    const std::uint64_t taken = std::min(excess, cpu.*part - std::min(cpu.*part, least.*part));
    cpu.*part -= taken;
    excess -= taken;
  }
}

}  // namespace

std::optional<GuestSystemCpu> divide_guest_system_cpu(std::uint64_t guest_system_ns, const wire::Guest& guest,
                                                      const std::optional<GuestSystemCpu>& last) {
  if (!guest.kernel_cpu_usage_ns || !guest.agent_cpu_usage_ns || !guest.probe_cpu_usage_ns) return std::nullopt;
  const auto most = [&](const wire::Figure& figure) { return std::min(*figure, guest_system_ns); };
  GuestSystemCpu cpu{most(guest.kernel_cpu_usage_ns), most(guest.agent_cpu_usage_ns), most(guest.probe_cpu_usage_ns),
                     0};
  const auto sum = [&] { return cpu.kernel_ns + cpu.agent_ns + cpu.probe_ns; };
  const auto excess_over = [&](std::uint64_t budget) { return sum() > budget ? sum() - budget : 0; };

  const GuestSystemCpu before = last.value_or(GuestSystemCpu{});
  cut(cpu, excess_over(guest_system_ns - std::min(guest_system_ns, before.other_ns)), before);
  cut(cpu, excess_over(guest_system_ns), {});  // of a guest that claims more than there is
  cpu.other_ns = guest_system_ns - sum();
  return cpu;
}

}  // namespace katameter
