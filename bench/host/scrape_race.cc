// usage: scrape_race SANDBOXES ROUNDS
//
// What a series costs in a scrape, in turns: host-probe's own way from a report to text, and prometheus-cpp's Registry
// that holds the same series already and only has to write them. Four containers a sandbox. Prints for each round
// "OURS REGISTRY" in nanoseconds of CPU time a series, and before all how many series there are.

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "bench/host/exposed.h"
#include "bench/host/synthetic_report.h"
#include "host-probe/exposition/render.h"

using namespace katameter;

namespace {

constexpr std::size_t containers_of_each = 4;

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

prometheus::Labels labels_of(const prometheus::ClientMetric& metric) {
  prometheus::Labels labels;
  for (const auto& label : metric.label) labels.emplace(label.name, label.value);
  return labels;
}

// How many series it holds then.
std::size_t fill(prometheus::Registry& registry, const std::vector<prometheus::MetricFamily>& families) {
  std::size_t series = 0;
  for (const prometheus::MetricFamily& family : families) {
    const bool counts = family.type == prometheus::MetricType::Counter;
    auto* counters =
        counts ? &prometheus::BuildCounter().Name(family.name).Help(family.help).Register(registry) : nullptr;
    auto* gauges = counts ? nullptr : &prometheus::BuildGauge().Name(family.name).Help(family.help).Register(registry);
    for (const prometheus::ClientMetric& metric : family.metric) {
      if (counters != nullptr) counters->Add(labels_of(metric)).Increment(metric.counter.value);
      if (gauges != nullptr) gauges->Add(labels_of(metric)).Set(metric.gauge.value);
      ++series;
    }
  }
  return series;
}

std::string written(const prometheus::Registry& registry) {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, registry.Collect());
  return std::move(text).str();
}

}  // namespace

int main(int argc, char** argv) {
  const int sandboxes = argc == 3 ? std::atoi(argv[1]) : 0;
  if (sandboxes <= 0) {
    std::fprintf(stderr, "usage: scrape_race SANDBOXES ROUNDS\n");
    return 2;
  }
  const NodeReport report = bench::synthetic_report(static_cast<std::size_t>(sandboxes), containers_of_each);
  prometheus::Registry registry;
  const std::size_t series = fill(registry, render(report));
  std::printf("series %zu\n", series);
  const double each = 1.0 / static_cast<double>(series);
  std::size_t bytes = bench::exposed(report).size() + written(registry).size();  // the allocator has grown
  for (int round = std::atoi(argv[2]); round > 0; --round) {
    const double start = cpu_ns();
    bytes += bench::exposed(report).size();
    const double between = cpu_ns();
    bytes += written(registry).size();
    const double end = cpu_ns();
    std::printf("%.2f %.2f\n", (between - start) * each, (end - between) * each);
  }
  return bytes > 0 ? 0 : 1;
}
