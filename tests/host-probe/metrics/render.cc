#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "host-probe/metrics/render.h"
#include "tests/support/rendered.h"

using namespace katameter;
using namespace katameter::host;
using prometheus::MetricType;

TEST_CASE("a container's start and when it was seen are in whole seconds of unix time") {
  NodeReport report = with_container(full_container());
  report.unix_seconds = 1'800'000'100;
  CHECK(Rendered(report).family("container_start_time_seconds") == nullptr);
  report.sandboxes[0].guest->start_times[*ContainerId::from_hex(container_hex)] = 1'800'000'000;
  const Rendered rendered(report);
  CHECK(rendered.value("container_start_time_seconds", full_container_labels) == 1'800'000'000.0);
  CHECK(rendered.value("container_last_seen", full_container_labels) == 1'800'000'100.0);
  report.sandboxes[0].guest->age_seconds = 30;  // it answers late
  CHECK(Rendered(report).value("container_last_seen", full_container_labels) == 1'800'000'070.0);
  CHECK(rendered.family("container_start_time_seconds")->type == MetricType::Gauge);
  CHECK(rendered.family("container_last_seen")->type == MetricType::Gauge);
}

TEST_CASE("a value that is absent has no series") {
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
  CHECK(rendered.value("container_spec_memory_limit_bytes", full_container_labels) == 0.0);
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
  CHECK(rendered.value("container_threads_max", full_container_labels) == 0.0);
  CHECK(rendered.value("container_spec_cpu_period", full_container_labels) == 100'000.0);
}

TEST_CASE("an ended sandbox has only its containers' OOM kills and is not counted") {
  NodeReport report = with_container(full_container());
  report.sandboxes[0].ended = true;
  report.sandboxes[0].guest->containers.clear();
  const Rendered rendered(report);
  CHECK(rendered.value("container_oom_events_total", full_container_labels) == 17.0);
  CHECK(rendered.family("katameter_guest_probe_up") == nullptr);
  CHECK(rendered.value("katameter_sandboxes", {}) == 0.0);
}

TEST_CASE("of a container that ended there is what never falls, living or ended as its sandbox may be") {
  const bool sandbox_ended = GENERATE(false, true);
  wire::Container last = full_container();
  last.block_devices = {{254, 1, 10, 20, 3, 4}};
  NodeReport report = with_container(last);
  const Rendered living(report);
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.guest->containers.clear();
  sandbox.ended = sandbox_ended;
  if (sandbox_ended) sandbox.guest.reset();
  sandbox.ended_containers = {{std::make_shared<const wire::Container>(last), {5'000'000'000, std::nullopt, 6}, {}}};
  const Rendered ended(report);
  std::size_t gauges = 0;
  for (const prometheus::MetricFamily& family : living.families) {
    // The kills have a map of their own in the report.
    if (!family.name.starts_with("container_") || family.name.starts_with("container_network")) continue;
    INFO(family.name);
    const prometheus::MetricFamily* found = ended.family(family.name);
    const bool outlives = family.type != prometheus::MetricType::Gauge;
    gauges += outlives ? 0 : 1;
    REQUIRE((found != nullptr) == outlives);
    if (found != nullptr) CHECK(found->metric.size() == family.metric.size());
  }
  CHECK(gauges > 10);
  CHECK(ended.value("katameter_container_host_cpu_seconds_total",
                    with(full_container_labels, "component", "workload")) == 5.0);
  CHECK(ended.value("katameter_container_host_fs_reads_bytes_total",
                    with(full_container_labels, "role", "virtiofsd")) == 6.0);
  CHECK(ended.family("katameter_container_host_fs_writes_bytes_total") == nullptr);
  CHECK(ended.value("container_fs_writes_bytes_total", with(full_container_labels, "device", "/dev/block/254:1")) ==
        20.0);
}

TEST_CASE("the node's totals have a series for each runtime handler and component") {
  NodeReport report;
  report.cpu_by_handler["kata-qemu"][static_cast<std::size_t>(CpuComponent::shim)] = 1'500'000'000;
  report.cpu_by_handler["kata-clh"];
  const Rendered rendered(report);
  const std::string name = "katameter_node_sandbox_cpu_seconds_total";
  REQUIRE(rendered.family(name) != nullptr);
  CHECK(rendered.family(name)->metric.size() == 2 * cpu_components);
  CHECK(rendered.value(name, {{"runtime_handler", "kata-qemu"}, {"component", "shim"}}) == 1.5);
  CHECK(rendered.value(name, {{"runtime_handler", "kata-clh"}, {"component", "shim"}}) == 0.0);
}

TEST_CASE("the node's own metrics are always there") {
  NodeReport report = with_container(full_container());
  report.duration_seconds = 0.25;
  report.processes.success = true;
  const Rendered rendered(report);
  CHECK(rendered.value("katameter_build_info", {{"version", KATAMETER_VERSION}}) == 1.0);
  CHECK(rendered.value("katameter_sandboxes", {}) == 1.0);
  CHECK(rendered.value("katameter_scrape_collect_duration_seconds", {}) == 0.25);
  CHECK(rendered.value("katameter_scrape_collect_success", {}) == 1.0);
  CHECK(rendered.value("katameter_collector_success", {{"collector", "processes"}}) == 1.0);
  CHECK(rendered.value("katameter_host_figures_up", {}) == 1.0);
}

TEST_CASE("the times of requests to virtiofs are a histogram, whose buckets contain those before them") {
  wire::Container container = full_container();
  const std::string name = "katameter_container_virtiofs_request_duration_seconds";
  const Rendered rendered(with_container(container));
  const prometheus::MetricFamily* found = rendered.family(name);
  REQUIRE(found != nullptr);
  CHECK(found->type == MetricType::Histogram);
  REQUIRE(found->metric.size() == 1);
  const prometheus::ClientMetric::Histogram& histogram = found->metric.front().histogram;
  std::vector<std::pair<double, std::uint64_t>> buckets;
  for (const auto& bucket : histogram.bucket) buckets.emplace_back(bucket.upper_bound, bucket.cumulative_count);
  CHECK(buckets == std::vector<std::pair<double, std::uint64_t>>{
                       {1e-4, 200}, {1e-3, 250}, {1e-2, 250}, {0.1, 257}, {1, 259}, {INFINITY, 260}});
  CHECK(histogram.sample_count == 260);
  CHECK(histogram.sample_sum == 1.25 + 2.25 + 3.25 + 4.25);

  // A guest that does not count answers has no times.
  container.virtiofs_over_1s.reset();
  CHECK(Rendered(with_container(container)).family(name) == nullptr);
}

TEST_CASE("every family is complete and every series is there once") {
  const Rendered rendered(with_container(full_container()));
  for (const auto& family : rendered.families) {
    INFO(family.name);
    CHECK_FALSE(family.help.empty());
    if (family.type == MetricType::Counter && !family.name.ends_with("_failcnt")) {
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
