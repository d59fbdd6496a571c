#include "tests/support/rendered.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "host-probe/metrics/render.h"
#include "tests/support/exposition_text.h"

namespace katameter::host {

std::string rendered_text(const NodeReport& report) {
  std::string text;
  render(report, [&](std::string_view part) { text += part; });
  return text;
}

std::string container_series(const wire::Snapshot& snapshot) {
  NodeReport report;
  report.sandboxes.emplace_back().guest.emplace().containers = snapshot.containers;
  std::istringstream lines(rendered_text(report));
  std::string series;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("container_")) series += line + '\n';
  }
  return series;
}

namespace {

// The series of one histogram come one after the other, its count last.
void add_to_histogram(prometheus::MetricFamily& family, const TextSeries& series) {
  std::vector<prometheus::ClientMetric::Label> labels;
  for (const auto& [name, value] : series.labels) {
    if (name != "le") labels.push_back({name, value});
  }
  const bool is_first = family.metric.empty() || family.metric.back().histogram.sample_count != 0;
  prometheus::ClientMetric& metric = is_first ? family.metric.emplace_back() : family.metric.back();
  if (is_first) metric.label = labels;
  if (metric.label != labels) throw std::runtime_error(family.name + ": series of two histograms are mixed");
  auto& histogram = metric.histogram;
  if (series.name == family.name + "_bucket") {
    histogram.bucket.push_back({static_cast<std::uint64_t>(series.value), std::stod(series.label("le"))});
  } else if (series.name == family.name + "_sum") {
    histogram.sample_sum = series.value;
  } else if (series.name == family.name + "_count") {
    histogram.sample_count = static_cast<std::uint64_t>(series.value);
  } else {
    throw std::runtime_error(series.name + " is below " + family.name);
  }
}

}  // namespace

std::vector<prometheus::MetricFamily> read_families(const std::string& text) {
  std::vector<prometheus::MetricFamily> families;
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = std::min(text.find("# HELP ", begin + 1), text.size());
    const std::string piece = text.substr(begin, end - begin);
    prometheus::MetricFamily& family = families.emplace_back();
    const std::size_t help = piece.find(' ', 7);
    const std::size_t type = piece.find("\n# TYPE ");
    family.name = piece.substr(7, help - 7);
    family.help = piece.substr(help + 1, type - help - 1);
    const std::string type_text =
        piece.substr(type + 9 + family.name.size(), piece.find('\n', type + 1) - type - 9 - family.name.size());
    family.type = type_text == "counter"     ? prometheus::MetricType::Counter
                  : type_text == "histogram" ? prometheus::MetricType::Histogram
                                             : prometheus::MetricType::Gauge;
    const auto series = parse_exposition(piece);
    if (!series) throw std::runtime_error(series.error().text);
    for (const TextSeries& of_family : *series) {
      if (family.type == prometheus::MetricType::Histogram) {
        add_to_histogram(family, of_family);
        continue;
      }
      if (of_family.name != family.name) throw std::runtime_error(of_family.name + " is below " + family.name);
      prometheus::ClientMetric& metric = family.metric.emplace_back();
      for (const auto& [name, value] : of_family.labels) metric.label.push_back({name, value});
      (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = of_family.value;
    }
  }
  return families;
}

Rendered::Rendered(const NodeReport& report) : families(read_families(rendered_text(report))) {}

const prometheus::MetricFamily* Rendered::family(const std::string& name) const {
  for (const auto& found : families) {
    if (found.name == name) return &found;
  }
  return nullptr;
}

std::optional<double> Rendered::value(const std::string& name, const Series& labels) const {
  const auto* found = family(name);
  if (found == nullptr) return std::nullopt;
  for (const auto& metric : found->metric) {
    Series these;
    for (const auto& label : metric.label) these.emplace(label.name, label.value);
    if (these == labels)
      return found->type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
  }
  return std::nullopt;
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
  made.read_calls = 10;
  made.write_calls = 11;
  made.read_call_bytes = 12;
  made.write_call_bytes = 13;
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
  made.virtiofs_reads = 29;
  made.virtiofs_writes = 30;
  made.virtiofs_opens = 31;
  made.virtiofs_closes = 32;
  made.virtiofs_lookups = 33;
  made.virtiofs_readdirs = 34;
  made.virtiofs_syncs = 35;
  made.virtiofs_others = 36;
  made.virtiofs_read_bytes = 37;
  made.virtiofs_written_bytes = 38;
  made.virtiofs_read_ns = 1'250'000'000;
  made.virtiofs_write_ns = 2'250'000'000;
  made.virtiofs_sync_ns = 3'250'000'000;
  made.virtiofs_metadata_ns = 4'250'000'000;
  made.virtiofs_read_errors = 0;
  made.virtiofs_write_errors = 1;
  made.virtiofs_sync_errors = 2;
  made.virtiofs_in_flight = 3;
  made.virtiofs_up_to_100us = 200;
  made.virtiofs_up_to_1ms = 50;
  made.virtiofs_up_to_10ms = 0;
  made.virtiofs_up_to_100ms = 7;
  made.virtiofs_up_to_1s = 2;
  made.virtiofs_over_1s = 1;
  return made;
}

NodeReport with_container(const wire::Container& container) {
  NodeReport report;
  SandboxReport& sandbox = report.sandboxes.emplace_back();
  sandbox.id = *ContainerId::from_hex(sandbox_hex);
  sandbox.guest.emplace().containers = {container};
  if (container.oom_kills) sandbox.oom_kills[container.id] = *container.oom_kills;
  return report;
}

}  // namespace katameter::host
