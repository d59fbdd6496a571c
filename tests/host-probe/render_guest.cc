#include <catch2/catch.hpp>

#include "tests/host-probe/support/rendered.h"

using namespace katameter;
using prometheus::MetricType;

TEST_CASE("a sandbox's own figures") {
  NodeReport report = with_container(full_container());
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.guest_cpu = GuestCpu{3'000'000'000, 1'000'000'000};
  sandbox.oom_events = 5;
  sandbox.rejected[static_cast<std::size_t>(DropReason::truncated)] = 2;
  sandbox.processes = SandboxProcesses{
      {{Role::vcpu, {2'000'000'000, 500'000'000}}, {Role::virtiofsd, {250'000'000, 0}}}, {100, 20, 3, 5, 4}};
  const Rendered rendered(report);
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "vcpu")) == 2.0);
  CHECK(rendered.value("katameter_process_run_delay_seconds_total", with(id, "role", "vcpu")) == 0.5);
  CHECK(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "virtiofsd")) == 0.25);
  CHECK_FALSE(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "vmm")));
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "guest_ram")) == 100.0);
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "vmm")) == 20.0);
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "virtiofsd")) == 3.0);
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "shim")) == 5.0);
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "page_tables")) == 4.0);
  CHECK(rendered.value("katameter_guest_cpu_seconds_total", with(id, "owner", "workload")) == 3.0);
  CHECK(rendered.value("katameter_guest_cpu_seconds_total", with(id, "owner", "guest_system")) == 1.0);
  CHECK(rendered.value("katameter_guest_probe_up", id) == 1.0);
  CHECK(rendered.family("katameter_guest_system_cpu_seconds_total") == nullptr);
  sandbox.guest_system_cpu = GuestSystemCpu{500'000'000, 250'000'000, 50'000'000, 200'000'000};
  const Rendered divided(report);
  for (const auto& [owner, seconds] :
       {std::pair{"kernel", 0.5}, {"agent", 0.25}, {"guest_probe", 0.05}, {"other", 0.2}}) {
    CHECK(divided.value("katameter_guest_system_cpu_seconds_total", with(id, "owner", owner)) == seconds);
  }
  CHECK(rendered.value("katameter_oom_events_received_total", id) == 5.0);
  CHECK(rendered.value("katameter_guest_frames_rejected_total", with(id, "reason", "truncated")) == 2.0);
  CHECK(rendered.family("katameter_guest_frames_rejected_total")->metric.size() == 1);
}

TEST_CASE("OOM kills by class begin at 0, rare classes where there are some") {
  NodeReport report = with_container(full_container());
  const auto kills = [&](const char* oom_class) {
    return Rendered(report).value("katameter_guest_oom_kills_total",
                                  {{"sandbox_id", sandbox_hex}, {"class", oom_class}});
  };
  for (const char* oom_class : {"container_limit", "pod_limit", "guest"}) CHECK(kills(oom_class) == 0.0);
  for (const char* oom_class : {"unknown", "other_limit"}) CHECK_FALSE(kills(oom_class));
  report.sandboxes[0].oom_kills_by_class = {1, 2, 3, 4, 5};
  CHECK(kills("unknown") == 1.0);
  CHECK(kills("container_limit") == 2.0);
  CHECK(kills("pod_limit") == 3.0);
  CHECK(kills("guest") == 4.0);
  CHECK(kills("other_limit") == 5.0);
}

TEST_CASE("the network is the pod's: cAdvisor's names once per interface, with no container") {
  NodeReport report = with_container(full_container());
  report.sandboxes[0].interfaces = {{"eth0", 1, 2, 3, 4, 5, 6, 7, 8}, {"eth1", 9, 0, 0, 0, 0, 0, 0, 0}};
  const Rendered rendered(report);
  const Series pod{{"id", "/kata/" + sandbox_hex + "/" + sandbox_hex},
                   {"name", sandbox_hex},
                   {"image", ""},
                   {"namespace", ""},
                   {"pod", ""},
                   {"container", ""}};
  const std::vector<std::pair<std::string, double>> expected{{"container_network_receive_bytes_total", 1},
                                                             {"container_network_receive_packets_total", 2},
                                                             {"container_network_receive_packets_dropped_total", 3},
                                                             {"container_network_receive_errors_total", 4},
                                                             {"container_network_transmit_bytes_total", 5},
                                                             {"container_network_transmit_packets_total", 6},
                                                             {"container_network_transmit_packets_dropped_total", 7},
                                                             {"container_network_transmit_errors_total", 8}};
  for (const auto& [name, value] : expected) {
    INFO(name);
    CHECK(rendered.value(name, with(pod, "interface", "eth0")) == value);
    REQUIRE(rendered.family(name) != nullptr);
    CHECK(rendered.family(name)->type == MetricType::Counter);
    CHECK(rendered.family(name)->metric.size() == 2);
  }
  CHECK(rendered.value("container_network_receive_bytes_total", with(pod, "interface", "eth1")) == 9.0);
}

TEST_CASE("the memory of the guest, of what is known") {
  NodeReport report = with_container(full_container());
  wire::Guest& guest = report.sandboxes[0].guest;
  guest.memory_total_bytes = 1;
  guest.memory_free_bytes = 2;
  guest.memory_available_bytes = 3;
  guest.memory_cache_bytes = 4;
  guest.memory_anonymous_bytes = 5;
  guest.memory_kernel_stack_bytes = 7;
  guest.memory_page_tables_bytes = 8;
  guest.swap_total_bytes = 9;
  guest.swap_free_bytes = 10;
  const Rendered rendered(report);
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK(rendered.value("katameter_guest_memory_total_bytes", id) == 1.0);
  CHECK(rendered.value("katameter_guest_memory_available_bytes", id) == 3.0);
  CHECK(rendered.value("katameter_guest_swap_total_bytes", id) == 9.0);
  CHECK(rendered.value("katameter_guest_swap_free_bytes", id) == 10.0);
  const auto part = [&](const char* component) {
    return rendered.value("katameter_guest_memory_bytes", with(id, "component", component));
  };
  CHECK(part("free") == 2.0);
  CHECK(part("page_cache") == 4.0);
  CHECK(part("anonymous") == 5.0);
  CHECK_FALSE(part("slab"));
  CHECK(part("kernel_stack") == 7.0);
  CHECK(part("page_tables") == 8.0);
}

TEST_CASE("containers beyond the guest's limit are one row, if there are any") {
  NodeReport report = with_container(full_container());
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK_FALSE(Rendered(report).value("katameter_guest_unattributed_containers", id));
  wire::Guest& guest = report.sandboxes[0].guest;
  guest.unattributed_containers = 3;
  guest.unattributed_cpu_usage_ns = 1'500'000'000;
  guest.unattributed_memory_usage_bytes = 4096;
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_guest_unattributed_containers", id) == 3.0);
  CHECK(rendered.value("katameter_guest_unattributed_cpu_usage_seconds_total", id) == 1.5);
  CHECK(rendered.value("katameter_guest_unattributed_memory_usage_bytes", id) == 4096.0);
}

TEST_CASE("what a guest could not tell is counted from 0 on, while it answers") {
  NodeReport report = with_container(full_container());
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK(Rendered(report).value("katameter_guest_oom_events_lost_total", id) == 0.0);
  report.sandboxes[0].guest.containers_unreported = 1;
  report.sandboxes[0].guest.interfaces_unreported = 2;
  report.sandboxes[0].guest.containers_lost = 3;
  report.sandboxes[0].guest.oom_events_lost = 4;
  report.sandboxes[0].guest.stalls_lost = 5;
  report.sandboxes[0].guest.block_devices_unreported = 6;
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_guest_cgroups_unreported", id) == 1.0);
  CHECK(rendered.value("katameter_guest_interfaces_unreported", id) == 2.0);
  CHECK(rendered.value("katameter_guest_removed_containers_lost_total", id) == 3.0);
  CHECK(rendered.value("katameter_guest_oom_events_lost_total", id) == 4.0);
  CHECK(rendered.value("katameter_guest_reclaim_stalls_lost_total", id) == 5.0);
  CHECK(rendered.value("katameter_guest_block_devices_unreported", id) == 6.0);
  report.sandboxes[0].guest_up = false;
  CHECK(Rendered(report).family("katameter_guest_oom_events_lost_total") == nullptr);
}

TEST_CASE("what the guest's kernel skipped is told by hook, and not where it does not count") {
  NodeReport report = with_container(full_container());
  CHECK(Rendered(report).family("katameter_guest_program_misses_total") == nullptr);
  report.sandboxes[0].guest.program_misses_cgroup_rmdir = 20;
  report.sandboxes[0].guest.program_misses_reclaim = 0;
  const auto of = [](const char* program) { return Series{{"sandbox_id", sandbox_hex}, {"program", program}}; };
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_guest_program_misses_total", of("cgroup_rmdir")) == 20.0);
  CHECK(rendered.value("katameter_guest_program_misses_total", of("reclaim")) == 0.0);
  CHECK(rendered.family("katameter_guest_program_misses_total")->metric.size() == 2);
  report.sandboxes[0].guest_up = false;
  CHECK(Rendered(report).family("katameter_guest_program_misses_total") == nullptr);
}

TEST_CASE("without the host's or the guest's figures the others are there") {
  NodeReport report;
  report.sandboxes.emplace_back().id = *ContainerId::from_hex(sandbox_hex);
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_guest_probe_up", {{"sandbox_id", sandbox_hex}}) == 0.0);
  CHECK(rendered.family("katameter_process_cpu_seconds_total") == nullptr);
  CHECK(rendered.family("katameter_guest_cpu_seconds_total") == nullptr);
  CHECK(rendered.value("katameter_host_figures_up", {}) == 0.0);
}
