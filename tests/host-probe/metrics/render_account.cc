#include <catch2/catch.hpp>
#include <cmath>

#include "tests/support/rendered.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;

namespace {

const Series id{{"sandbox_id", sandbox_hex}};

double sum(const Rendered& rendered, const std::string& name) {
  double sum = 0;
  const auto* family = rendered.family(name);
  REQUIRE(family != nullptr);
  for (const auto& metric : family->metric) sum += metric.counter.value + metric.gauge.value;
  return sum;
}

}  // namespace

TEST_CASE("what the processes use beside CPU time, by role") {
  NodeReport report = with_container(full_container());
  SandboxProcesses& processes = report.sandboxes[0].processes.emplace();
  processes.cpu[Role::vcpu] = {1, 1};
  processes.usage[Role::vmm] = {1'500'000'000, 6, 7, 8, 9};
  processes.role_memory[Role::vmm] = {10, 11, 12, 13};
  processes.io = true;
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_process_guest_mode_seconds_total", id) == 1.5);
  const Series vmm = with(id, "role", "vmm");
  CHECK(rendered.value("katameter_process_page_faults_total", with(vmm, "type", "minor")) == 6.0);
  CHECK(rendered.value("katameter_process_page_faults_total", with(vmm, "type", "major")) == 7.0);
  CHECK(rendered.value("katameter_process_io_bytes_total", with(vmm, "direction", "read")) == 8.0);
  CHECK(rendered.value("katameter_process_io_bytes_total", with(vmm, "direction", "write")) == 9.0);
  double bytes = 10;
  for (const char* kind : {"anonymous", "file", "shared", "page_tables"}) {
    CHECK(rendered.value("katameter_process_memory_bytes", with(vmm, "kind", kind)) == bytes++);
  }
  processes.io = false;
  CHECK(Rendered(report).family("katameter_process_io_bytes_total") == nullptr);
}

TEST_CASE("the host's OOM kills are reported by role, of a sandbox that has ended too") {
  NodeReport report;
  SandboxReport& sandbox = report.sandboxes.emplace_back();
  sandbox.id = *ContainerId::from_hex(sandbox_hex);
  sandbox.host_ooms = {{Role::vmm, 1}, {Role::virtiofsd, 0}};
  const bool ended = GENERATE(false, true);
  sandbox.ended = ended;
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_host_oom_kills_total", with(id, "role", "vmm")) == 1.0);
  CHECK(rendered.value("katameter_host_oom_kills_total", with(id, "role", "virtiofsd")) == 0.0);
}

TEST_CASE("in every scrape the components are the host's total, contended or not, answered or not") {
  NodeReport report = with_container(full_container());
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.processes.emplace();
  sandbox.processes->memory = {100, 20, 3, 5, 4};
  GuestView view = *sandbox.guest;
  view.containers[0].memory_usage_bytes = 40;
  GuestCpuReading guest{1, 0, 0};
  SandboxAccounting accounting;
  std::uint64_t used = 0;
  std::uint64_t held = 0;  // vCPU time since the last answer, of a guest that may be back at once
  for (std::uint64_t step = 1; step <= 60; ++step) {
    const bool contended = step % 3 == 0;
    for (const Role role : {Role::vcpu, Role::vmm, Role::virtiofsd, Role::shim, Role::vhost}) {
      RoleCpu& cpu = sandbox.processes->cpu[role];
      cpu.cpu_ns += 7 * step * ms + static_cast<std::uint64_t>(role);
      cpu.run_delay_ns += contended ? 9 * step * ms : 0;
      used += 7 * step * ms + static_cast<std::uint64_t>(role);
    }
    // Where the host is fought over, the guest's own counter has the wait in it.
    guest.workload_ns += (contended ? 14 : 5) * step * ms;
    guest.cpu_ns += (contended ? 15 : 6) * step * ms;
    view.containers[0].cpu_usage_ns = guest.workload_ns;
    sandbox.guest.reset();
    std::optional<GuestReading> reading;
    const std::uint64_t unanswered = step % 12 < 5 || step % 12 > 8 ? 0 : step % 12 - 4;
    held = unanswered > 0 && unanswered <= CpuAccount::max_held_steps ? held + 7 * step * ms : 0;
    if (unanswered == 0) {
      sandbox.guest = view;
      reading = GuestReading{false, guest, GuestMemoryReading{90, 30, 0, 40}, &view.containers};
    }
    sandbox.account = accounting.update(*sandbox.processes, reading);
    const Rendered rendered(report);
    const double total = *rendered.value("katameter_sandbox_host_cpu_seconds_total", id);
    CHECK(std::abs(sum(rendered, "katameter_sandbox_cpu_seconds_total") - total) < 1e-8);
    CHECK(std::abs(total - static_cast<double>(used - held) / 1e9) < 1e-8);
    CHECK(std::abs(sum(rendered, "katameter_process_cpu_seconds_total") - static_cast<double>(used) / 1e9) < 1e-8);
    const auto component = [&](const char* of) {
      return *rendered.value("katameter_sandbox_cpu_seconds_total", with(id, "component", of));
    };
    CHECK(std::abs(*rendered.value("katameter_sandbox_overhead_cpu_seconds_total", id) -
                   (total - component("workload") - component("guest_silent"))) < 1e-8);
    CHECK(sum(rendered, "katameter_sandbox_memory_bytes") ==
          *rendered.value("katameter_sandbox_host_memory_bytes", id));
    if (sandbox.guest) {
      CHECK(sum(rendered, "katameter_sandbox_guest_ram_bytes") == 100);
      CHECK(rendered.value("katameter_sandbox_overhead_memory_bytes", id) == 132.0 - 40);
      const double share = *rendered.value("katameter_container_host_cpu_seconds_total",
                                           with(full_container_labels, "component", "workload"));
      CHECK(share <= component("workload") + 1e-8);
      CHECK(share >= component("workload") * 0.95);
    } else {
      CHECK(rendered.family("katameter_sandbox_overhead_memory_bytes") == nullptr);
      CHECK(rendered.family("katameter_container_host_cpu_seconds_total") == nullptr);
    }
  }
  const Rendered rendered(report);
  for (const auto& metric : rendered.family("katameter_sandbox_cpu_seconds_total")->metric) {
    CHECK(metric.counter.value > 0);  // each component had its time
  }
  CHECK(*rendered.value("katameter_sandbox_steal_seconds_total", id) > 0);
}
