#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "tests/host-probe/support/rendered.h"

using namespace katameter;
using prometheus::MetricType;

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
  std::string text;
  render_failure([&](std::string_view part) { text += part; });
  const auto families = read_families(text);
  const auto success = std::find_if(families.begin(), families.end(), [](const auto& family) {
    return family.name == "katameter_scrape_collect_success";
  });
  REQUIRE(success != families.end());
  CHECK(success->metric.at(0).gauge.value == 0.0);
}
