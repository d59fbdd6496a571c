#include <catch2/catch.hpp>

#include "tests/support/rendered.h"

using namespace katameter;
using namespace katameter::host;
using prometheus::MetricType;

TEST_CASE("the guest system's CPU time has no series before the guest reported it") {
  NodeReport report = with_container(full_container());
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.guest->cpu = GuestCpu{3'000'000'000, 1'000'000'000};
  CHECK(Rendered(report).family("katameter_guest_system_cpu_seconds_total") == nullptr);
  sandbox.guest->system_cpu = GuestSystemCpu{500'000'000, 250'000'000, 50'000'000, 200'000'000};
  const Rendered rendered(report);
  for (const auto& [owner, seconds] :
       {std::pair{"kernel", 0.5}, {"agent", 0.25}, {"guest_probe", 0.05}, {"other", 0.2}}) {
    CHECK(rendered.value("katameter_guest_system_cpu_seconds_total", {{"sandbox_id", sandbox_hex}, {"owner", owner}}) ==
          seconds);
  }
}

TEST_CASE("only reasons that occurred, and roles that exist, have series") {
  NodeReport report = with_container(full_container());
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.rejected[static_cast<std::size_t>(DropReason::truncated)] = 2;
  sandbox.processes = SandboxProcesses{
      {{Role::vcpu, {2'000'000'000, 500'000'000}}, {Role::virtiofsd, {250'000'000, 0}}}, {100, 20, 3, 5, 4}};
  const Rendered rendered(report);
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK(rendered.value("katameter_guest_frames_rejected_total", with(id, "reason", "truncated")) == 2.0);
  CHECK(rendered.family("katameter_guest_frames_rejected_total")->metric.size() == 1);
  CHECK(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "virtiofsd")) == 0.25);
  CHECK_FALSE(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "vmm")));
}

TEST_CASE("a protocol violation is served under the old name, too") {
  NodeReport report = with_container(full_container());
  report.sandboxes[0].suspect = true;
  const Rendered rendered(report);
  for (const char* name : {"katameter_guest_protocol_violation", "katameter_guest_suspect"}) {
    CHECK(rendered.value(name, {{"sandbox_id", sandbox_hex}}) == 1.0);
  }
  CHECK_THAT(rendered.family("katameter_guest_suspect")->help, Catch::StartsWith("Deprecated"));
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

namespace {

const Series pod{{"id", "/kata/" + sandbox_hex + "/" + sandbox_hex},
                 {"name", sandbox_hex},
                 {"image", ""},
                 {"namespace", ""},
                 {"pod", ""},
                 {"container", ""}};

}  // namespace

TEST_CASE("the network is the pod's: cAdvisor's names once per interface, with no container") {
  NodeReport report = with_container(full_container());
  report.sandboxes[0].guest->interfaces = {{"eth0", 1, 2, 3, 4, 5, 6, 7, 8}, {"eth1", 9, 0, 0, 0, 0, 0, 0, 0}};
  const Rendered rendered(report);
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

TEST_CASE("volumes are the pod's, by device or mount point; what their file system does not limit has no series") {
  NodeReport report = with_container(full_container());
  const std::string cache = "/run/kata-containers/sandbox/ephemeral/cache";
  const std::string data = "/run/kata-containers/sandbox/storage/MDIvMDA=";
  report.sandboxes[0].guest->volumes = {{cache, 5, 6, 7, 8}, {"/endless", 0, 0, 0, 0}, {data, 9, 10, 11, 12, 254, 16}};
  const Rendered rendered(report);
  const Series in_memory = with(pod, "device", cache);
  CHECK(rendered.value("container_fs_usage_bytes", in_memory) == 5.0);
  CHECK(rendered.value("container_fs_limit_bytes", in_memory) == 6.0);
  CHECK(rendered.value("container_fs_inodes_free", in_memory) == 7.0);
  CHECK(rendered.value("container_fs_inodes_total", in_memory) == 8.0);
  CHECK(rendered.value("container_fs_usage_bytes", with(pod, "device", "/dev/block/254:16")) == 9.0);
  for (const char* name : {"container_fs_usage_bytes", "container_fs_limit_bytes", "container_fs_inodes_free",
                           "container_fs_inodes_total"}) {
    CHECK_FALSE(rendered.value(name, with(pod, "device", "/endless")));
  }
  const auto* infos = rendered.family("katameter_guest_block_device_info");
  REQUIRE(infos != nullptr);
  CHECK(infos->metric.size() == 1);
  CHECK(rendered.value("katameter_guest_block_device_info",
                       {{"sandbox_id", sandbox_hex}, {"device", "/dev/block/254:16"}, {"mountpoint", data}}) == 1.0);
}

TEST_CASE("a root file system on a block device is its container's; of an unknown container it is the pod's") {
  NodeReport report = with_container(full_container());
  const std::string known = report.sandboxes[0].guest->containers.at(0).id.hex();
  report.sandboxes[0].guest->volumes = {
      {"/run/kata-containers/" + known + "/rootfs", 1, 2, 3, 4, 254, 16},
      {"/run/kata-containers/" + std::string(64, 'f') + "/rootfs", 5, 6, 7, 8, 254, 32}};
  const Rendered rendered(report);
  CHECK(rendered.value("container_fs_usage_bytes", with(full_container_labels, "device", "/dev/block/254:16")) == 1.0);
  CHECK(rendered.value("container_fs_usage_bytes", with(pod, "device", "/dev/block/254:32")) == 5.0);
}

TEST_CASE("a block device has what was done on it by operation, from the first request on") {
  NodeReport report = with_container(full_container());
  report.sandboxes[0].guest->disks = {{.major = 254,
                                       .minor = 1,
                                       .reads = 3,
                                       .reads_merged = 4,
                                       .read_bytes = 5,
                                       .read_ms = 6500,
                                       .in_flight = 7,
                                       .io_ms = 8500,
                                       .weighted_io_ms = 9500,
                                       .flushes = 10,
                                       .flush_ms = 11000}};
  const Rendered rendered(report);
  const Series disk{{"sandbox_id", sandbox_hex}, {"device", "/dev/block/254:1"}};
  const Series reads = with(disk, "operation", "read");
  CHECK(rendered.value("katameter_guest_block_operations_total", reads) == 3.0);
  CHECK(rendered.value("katameter_guest_block_merged_total", reads) == 4.0);
  CHECK(rendered.value("katameter_guest_block_bytes_total", reads) == 5.0);
  CHECK(rendered.value("katameter_guest_block_operation_seconds_total", reads) == 6.5);
  CHECK(rendered.value("katameter_guest_block_in_flight", disk) == 7.0);
  CHECK(rendered.value("katameter_guest_block_io_time_seconds_total", disk) == 8.5);
  CHECK(rendered.value("katameter_guest_block_io_time_weighted_seconds_total", disk) == 9.5);
  const Series flushes = with(disk, "operation", "flush");
  CHECK(rendered.value("katameter_guest_block_operations_total", flushes) == 10.0);
  CHECK(rendered.value("katameter_guest_block_operation_seconds_total", flushes) == 11.0);
  CHECK_FALSE(rendered.value("katameter_guest_block_bytes_total", flushes));
  CHECK_FALSE(rendered.value("katameter_guest_block_merged_total", flushes));
  CHECK_FALSE(rendered.value("katameter_guest_block_operations_total", with(disk, "operation", "write")));
}

TEST_CASE("what the guest's kernel does not report of its memory has no series") {
  NodeReport report = with_container(full_container());
  report.sandboxes[0].guest->guest_wide.memory_free_bytes = 2;
  const Rendered rendered(report);
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK(rendered.value("katameter_guest_memory_bytes", with(id, "component", "free")) == 2.0);
  CHECK_FALSE(rendered.value("katameter_guest_memory_bytes", with(id, "component", "slab")));
  CHECK(rendered.family("katameter_guest_memory_total_bytes") == nullptr);
}

TEST_CASE("containers beyond the guest's limit are one row, if there are any") {
  NodeReport report = with_container(full_container());
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK_FALSE(Rendered(report).value("katameter_guest_unattributed_containers", id));
  wire::Guest& guest = report.sandboxes[0].guest->guest_wide;
  guest.unattributed_containers = 3;
  guest.unattributed_cpu_usage_ns = 1'500'000'000;
  guest.unattributed_memory_usage_bytes = 4096;
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_guest_unattributed_containers", id) == 3.0);
  CHECK(rendered.value("katameter_guest_unattributed_cpu_usage_seconds_total", id) == 1.5);
  CHECK(rendered.value("katameter_guest_unattributed_memory_usage_bytes", id) == 4096.0);
}

TEST_CASE("losses of a guest are counted from 0 on, while it answers") {
  NodeReport report = with_container(full_container());
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK(Rendered(report).value("katameter_guest_oom_events_lost_total", id) == 0.0);
  report.sandboxes[0].guest->guest_wide.oom_events_lost = 4;
  CHECK(Rendered(report).value("katameter_guest_oom_events_lost_total", id) == 4.0);
  report.sandboxes[0].guest.reset();
  CHECK(Rendered(report).family("katameter_guest_oom_events_lost_total") == nullptr);
}

TEST_CASE("what the guest's kernel skipped is counted by hook, and not where it does not count") {
  NodeReport report = with_container(full_container());
  CHECK(Rendered(report).family("katameter_guest_program_misses_total") == nullptr);
  report.sandboxes[0].guest->guest_wide.program_misses_cgroup_rmdir = 20;
  report.sandboxes[0].guest->guest_wide.program_misses_reclaim = 0;
  const auto of = [](const char* program) { return Series{{"sandbox_id", sandbox_hex}, {"program", program}}; };
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_guest_program_misses_total", of("cgroup_rmdir")) == 20.0);
  CHECK(rendered.value("katameter_guest_program_misses_total", of("reclaim")) == 0.0);
  CHECK(rendered.family("katameter_guest_program_misses_total")->metric.size() == 2);
  report.sandboxes[0].guest.reset();
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
