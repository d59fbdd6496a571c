#include "host-probe/exposition/render.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

using namespace katameter;
using prometheus::MetricType;

namespace {

const std::string sandbox_hex(64, 'a');
const std::string container_hex(64, 'c');

using Series = std::map<std::string, std::string>;  // label -> value

// The families of one rendering, looked at by name and labels.
struct Rendered {
  explicit Rendered(const NodeReport& report) : families(render(report)) {}

  const prometheus::MetricFamily* family(const std::string& name) const {
    for (const auto& found : families) {
      if (found.name == name) return &found;
    }
    return nullptr;
  }
  std::optional<double> value(const std::string& name, const Series& labels) const {
    const auto* found = family(name);
    if (found == nullptr) return std::nullopt;
    for (const auto& metric : found->metric) {
      Series these;
      for (const auto& label : metric.label) these.emplace(label.name, label.value);
      if (these == labels) return found->type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
    }
    return std::nullopt;
  }

  std::vector<prometheus::MetricFamily> families;
};

const Series container_labels{{"id", "/kata/" + sandbox_hex + "/" + container_hex},
                              {"name", container_hex},
                              {"image", ""},
                              {"namespace", ""},
                              {"pod", ""},
                              {"container", ""}};

Series with(Series labels, const std::string& name, const std::string& value) {
  labels[name] = value;
  return labels;
}

wire::Container full_container() {
  wire::Container made;
  made.id = *ContainerId::from_hex(container_hex);
  made.cpu_usage_ns = 1'500'000'000;
  made.memory_usage_bytes = 11;
  made.memory_peak_bytes = 12;
  made.memory_limit_bytes = 13;
  made.memory_rss_bytes = 14;
  made.memory_cache_bytes = 15;
  made.memory_working_set_bytes = 16;
  made.oom_kills = 17;
  made.memory_failcnt = 18;
  made.cpu_user_ns = 1'000'000'000;
  made.cpu_system_ns = 250'000'000;
  made.cfs_periods = 20;
  made.cfs_throttled_periods = 19;
  made.cfs_throttled_ns = 2'500'000'000;
  made.cpu_quota_us = 50'000;
  made.cpu_period_us = 100'000;
  made.cpu_shares = 512;
  made.threads = 7;
  made.processes = 6;
  made.sched_run_ns = 1'500'000'000;
  made.sched_wait_ns = 500'000'000;
  made.sched_periods = 9;
  made.voluntary_switches = 7;
  made.involuntary_switches = 2;
  made.cpu_waiting_ns = 1'500'000'000;
  made.cpu_stalled_ns = 2'500'000'000;
  made.memory_waiting_ns = 3'500'000'000;
  made.memory_stalled_ns = 4'500'000'000;
  made.io_waiting_ns = 5'500'000'000;
  made.io_stalled_ns = 6'500'000'000;
  made.threads_max = 100;
  made.memory_mapped_file_bytes = 19;
  made.memory_active_file_bytes = 20;
  made.memory_inactive_file_bytes = 21;
  made.memory_swap_bytes = 22;
  made.memory_kernel_bytes = 23;
  made.page_faults = 24;
  made.major_page_faults = 25;
  made.memory_swap_limit_bytes = 26;
  made.memory_reservation_bytes = 27;
  made.memory_stalls = 28;
  made.memory_stall_ns = 1'250'000'000;
  return made;
}

NodeReport with_container(const wire::Container& container) {
  NodeReport report;
  SandboxReport& sandbox = report.sandboxes.emplace_back();
  sandbox.id = *ContainerId::from_hex(sandbox_hex);
  sandbox.guest_up = true;
  sandbox.containers = {container};
  if (container.oom_kills) sandbox.oom_kills[container.id] = *container.oom_kills;
  return report;
}

}  // namespace

TEST_CASE("a container's figures carry cAdvisor's names, types and labels") {
  const Rendered rendered(with_container(full_container()));
  const std::map<std::string, std::pair<MetricType, double>> expected{
      {"container_memory_usage_bytes", {MetricType::Gauge, 11}},
      {"container_memory_max_usage_bytes", {MetricType::Gauge, 12}},
      {"container_spec_memory_limit_bytes", {MetricType::Gauge, 13}},
      {"container_memory_rss", {MetricType::Gauge, 14}},
      {"container_memory_cache", {MetricType::Gauge, 15}},
      {"container_memory_working_set_bytes", {MetricType::Gauge, 16}},
      {"container_oom_events_total", {MetricType::Counter, 17}},
      {"container_memory_failcnt", {MetricType::Counter, 18}},
      {"container_cpu_user_seconds_total", {MetricType::Counter, 1.0}},
      {"container_cpu_system_seconds_total", {MetricType::Counter, 0.25}},
      {"container_cpu_cfs_periods_total", {MetricType::Counter, 20}},
      {"container_cpu_cfs_throttled_periods_total", {MetricType::Counter, 19}},
      {"container_cpu_cfs_throttled_seconds_total", {MetricType::Counter, 2.5}},
      {"container_spec_cpu_quota", {MetricType::Gauge, 50'000}},
      {"container_spec_cpu_period", {MetricType::Gauge, 100'000}},
      {"container_spec_cpu_shares", {MetricType::Gauge, 512}},
      {"container_threads", {MetricType::Gauge, 7}},
      {"container_threads_max", {MetricType::Gauge, 100}},
      {"container_memory_mapped_file", {MetricType::Gauge, 19}},
      {"container_memory_total_active_file_bytes", {MetricType::Gauge, 20}},
      {"container_memory_total_inactive_file_bytes", {MetricType::Gauge, 21}},
      {"container_memory_swap", {MetricType::Gauge, 22}},
      {"container_memory_kernel_usage", {MetricType::Gauge, 23}},
      {"container_spec_memory_swap_limit_bytes", {MetricType::Gauge, 26}},
      {"container_spec_memory_reservation_limit_bytes", {MetricType::Gauge, 27}},
      {"container_processes", {MetricType::Gauge, 6}},
      {"container_cpu_schedstat_run_seconds_total", {MetricType::Counter, 1.5}},
      {"container_cpu_schedstat_runqueue_seconds_total", {MetricType::Counter, 0.5}},
      {"container_cpu_schedstat_run_periods_total", {MetricType::Counter, 9}},
      {"container_pressure_cpu_waiting_seconds_total", {MetricType::Counter, 1.5}},
      {"container_pressure_cpu_stalled_seconds_total", {MetricType::Counter, 2.5}},
      {"container_pressure_memory_waiting_seconds_total", {MetricType::Counter, 3.5}},
      {"container_pressure_memory_stalled_seconds_total", {MetricType::Counter, 4.5}},
      {"container_pressure_io_waiting_seconds_total", {MetricType::Counter, 5.5}},
      {"container_pressure_io_stalled_seconds_total", {MetricType::Counter, 6.5}},
      {"katameter_container_reclaim_stalls_total", {MetricType::Counter, 28}},
      {"katameter_container_reclaim_stall_seconds_total", {MetricType::Counter, 1.25}},
  };
  for (const auto& [name, type_and_value] : expected) {
    INFO(name);
    REQUIRE(rendered.family(name) != nullptr);
    CHECK(rendered.family(name)->type == type_and_value.first);
    CHECK(rendered.value(name, container_labels) == type_and_value.second);
  }
  CHECK(rendered.family("container_cpu_usage_seconds_total")->type == MetricType::Counter);
  CHECK(rendered.value("container_cpu_usage_seconds_total", with(container_labels, "cpu", "total")) == 1.5);
}

TEST_CASE("a container's start and when it was seen are in whole seconds of unix time") {
  NodeReport report = with_container(full_container());
  report.unix_seconds = 1'800'000'100;
  CHECK(Rendered(report).family("container_start_time_seconds") == nullptr);
  report.sandboxes[0].start_times[*ContainerId::from_hex(container_hex)] = 1'800'000'000;
  const Rendered rendered(report);
  CHECK(rendered.value("container_start_time_seconds", container_labels) == 1'800'000'000.0);
  CHECK(rendered.value("container_last_seen", container_labels) == 1'800'000'100.0);
  CHECK(rendered.family("container_start_time_seconds")->type == MetricType::Gauge);
  CHECK(rendered.family("container_last_seen")->type == MetricType::Gauge);
}

TEST_CASE("context switches are told by type, under a name of ours") {
  const Rendered rendered(with_container(full_container()));
  const char* name = "katameter_container_context_switches_total";
  CHECK(rendered.value(name, with(container_labels, "type", "voluntary")) == 7.0);
  CHECK(rendered.value(name, with(container_labels, "type", "involuntary")) == 2.0);
}

TEST_CASE("page faults are in both of cAdvisor's scopes") {
  const Rendered rendered(with_container(full_container()));
  for (const char* scope : {"container", "hierarchy"}) {
    const Series labels = with(container_labels, "scope", scope);
    CHECK(rendered.value("container_memory_failures_total", with(labels, "failure_type", "pgfault")) == 24.0);
    CHECK(rendered.value("container_memory_failures_total", with(labels, "failure_type", "pgmajfault")) == 25.0);
  }
  REQUIRE(rendered.family("container_memory_failures_total") != nullptr);
  CHECK(rendered.family("container_memory_failures_total")->metric.size() == 4);
  CHECK(rendered.family("container_memory_failures_total")->type == MetricType::Counter);
}

TEST_CASE("a figure that is absent has no series") {
  wire::Container bare;
  bare.id = *ContainerId::from_hex(container_hex);
  for (const auto& family : Rendered(with_container(bare)).families) {
    INFO(family.name);
    CHECK((family.name.rfind("container_", 0) != 0 || family.name == "container_last_seen"));
    CHECK(family.name.rfind("katameter_container_", 0) != 0);
  }
}

TEST_CASE("no limit is 0, as in cAdvisor, and CPU has no series before there is some") {
  wire::Container container = full_container();
  container.cpu_usage_ns = 0;
  container.memory_limit_bytes = GENERATE(wire::Figure(), wire::Figure(UINT64_MAX), wire::Figure(0x7ffffffffffff000));
  const Rendered rendered(with_container(container));
  CHECK(rendered.value("container_spec_memory_limit_bytes", container_labels) == 0.0);
  CHECK(rendered.family("container_cpu_usage_seconds_total") == nullptr);
}

TEST_CASE("without a quota there are no CFS series, and no limit of threads is 0") {
  wire::Container container = full_container();
  container.cpu_quota_us = container.cfs_periods = container.cfs_throttled_periods = std::nullopt;
  container.cfs_throttled_ns = container.threads_max = std::nullopt;
  const Rendered rendered(with_container(container));
  for (const char* name : {"container_spec_cpu_quota", "container_cpu_cfs_periods_total",
                           "container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_throttled_seconds_total"}) {
    INFO(name);
    CHECK(rendered.family(name) == nullptr);
  }
  CHECK(rendered.value("container_threads_max", container_labels) == 0.0);
  CHECK(rendered.value("container_spec_cpu_period", container_labels) == 100'000.0);
}

TEST_CASE("a sandbox's own figures") {
  NodeReport report = with_container(full_container());
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.guest_cpu = GuestCpu{3'000'000'000, 1'000'000'000};
  sandbox.oom_events = 5;
  sandbox.rejected[static_cast<std::size_t>(DropReason::truncated)] = 2;
  sandbox.processes = SandboxProcesses{
      {{Role::vcpu, {2'000'000'000, 500'000'000}}, {Role::virtiofsd, {250'000'000, 0}}}, {100, 20, 3, 4}};
  const Rendered rendered(report);
  const Series id{{"sandbox_id", sandbox_hex}};
  CHECK(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "vcpu")) == 2.0);
  CHECK(rendered.value("katameter_process_run_delay_seconds_total", with(id, "role", "vcpu")) == 0.5);
  CHECK(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "virtiofsd")) == 0.25);
  CHECK_FALSE(rendered.value("katameter_process_cpu_seconds_total", with(id, "role", "vmm")));
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "guest_ram")) == 100.0);
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "vmm")) == 20.0);
  CHECK(rendered.value("katameter_sandbox_memory_bytes", with(id, "component", "virtiofsd")) == 3.0);
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
  std::uint64_t value = 0;
  for (const wire::GuestFigure& figure : wire::guest_figures) guest.*figure.value = ++value;
  guest.memory_slab_bytes.reset();
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

TEST_CASE("without the host's or the guest's figures the others are there") {
  NodeReport report;
  report.sandboxes.emplace_back().id = *ContainerId::from_hex(sandbox_hex);
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_guest_probe_up", {{"sandbox_id", sandbox_hex}}) == 0.0);
  CHECK(rendered.family("katameter_process_cpu_seconds_total") == nullptr);
  CHECK(rendered.family("katameter_guest_cpu_seconds_total") == nullptr);
  CHECK(rendered.value("katameter_host_figures_up", {}) == 0.0);
}

TEST_CASE("an ended sandbox has only its containers' OOM kills and is not counted") {
  NodeReport report = with_container(full_container());
  report.sandboxes[0].ended = true;
  report.sandboxes[0].containers.clear();
  const Rendered rendered(report);
  CHECK(rendered.value("container_oom_events_total", container_labels) == 17.0);
  CHECK(rendered.family("katameter_guest_probe_up") == nullptr);
  CHECK(rendered.value("katameter_sandboxes", {}) == 0.0);
}

TEST_CASE("the node's own figures are always there") {
  NodeReport report = with_container(full_container());
  report.duration_seconds = 0.25;
  report.host_figures = true;
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_build_info", {{"version", KATAMETER_VERSION}}) == 1.0);
  CHECK(rendered.value("katameter_sandboxes", {}) == 1.0);
  CHECK(rendered.value("katameter_scrape_collect_duration_seconds", {}) == 0.25);
  CHECK(rendered.value("katameter_scrape_collect_success", {}) == 1.0);
  CHECK(rendered.value("katameter_host_figures_up", {}) == 1.0);
}

TEST_CASE("every family is complete and every series is there once") {
  const Rendered rendered(with_container(full_container()));
  for (const auto& family : rendered.families) {
    INFO(family.name);
    CHECK_FALSE(family.help.empty());
    if (family.type == MetricType::Counter && family.name != "container_memory_failcnt") {
      CHECK_THAT(family.name, Catch::EndsWith("_total"));
    }
    std::set<std::vector<prometheus::ClientMetric::Label>> seen;
    for (const auto& metric : family.metric) CHECK(seen.insert(metric.label).second);
  }
}

TEST_CASE("without a report there is still something to see that it failed") {
  const auto families = render_failure();
  const auto success = std::find_if(families.begin(), families.end(), [](const auto& family) {
    return family.name == "katameter_scrape_collect_success";
  });
  REQUIRE(success != families.end());
  CHECK(success->metric.at(0).gauge.value == 0.0);
}
