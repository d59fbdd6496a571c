#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <limits>
#include <map>
#include <sstream>

#include "bench/simulator/figures.h"
#include "host-probe/exposition/render.h"
#include "host-probe/top/exposition_text.h"

using namespace katameter;

namespace {

NodeReport report_of(std::uint64_t sandboxes) {
  NodeReport report;
  for (std::uint64_t i = 0; i < sandboxes; ++i) {
    SandboxReport& sandbox = report.sandboxes.emplace_back();
    const wire::Snapshot snapshot = simulator::figures_of(i, 4, std::chrono::hours(1));
    sandbox.id = simulator::container_id(i, 0);
    sandbox.guest_up = true;
    sandbox.containers = snapshot.containers;
    sandbox.guest = snapshot.guest;
    sandbox.interfaces = snapshot.interfaces;
  }
  return report;
}

std::string text_of(const Exposition& exposition) {
  std::string text;
  for (const std::string& piece : exposition) text += piece;
  return text;
}

// Holds every series of a text as an exporter would that keeps them; all as gauges, which is written the same.
class PlainRegistry {
 public:
  explicit PlainRegistry(const std::string& text) {
    const auto series = parse_exposition(text);
    REQUIRE(series);
    std::map<std::string, prometheus::Family<prometheus::Gauge>*> families;
    for (const TextSeries& one : *series) {
      auto*& family = families[one.name];
      if (family == nullptr) family = &prometheus::BuildGauge().Name(one.name).Help("Help.").Register(registry_);
      family->Add({one.labels.begin(), one.labels.end()}).Set(one.value);
    }
    series_ = series->size();
  }
  std::string serialized() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, registry_.Collect());
    return out.str();
  }
  std::size_t series() const { return series_; }

 private:
  prometheus::Registry registry_;
  std::size_t series_ = 0;
};

template <typename Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("a series takes at most half the time of one kept in a prometheus-cpp registry") {
  const NodeReport report = report_of(100);
  const PlainRegistry registry(text_of(render(report)));
  double ours = std::numeric_limits<double>::max();
  double theirs = ours;
  std::size_t our_bytes = 0;
  std::size_t their_bytes = 0;
  // In turns, the fastest of each: both meet the same machine.
  for (int round = 0; round < 5; ++round) {
    ours = std::min(ours, seconds([&] { our_bytes = text_of(render(report)).size(); }));
    theirs = std::min(theirs, seconds([&] { their_bytes = registry.serialized().size(); }));
  }
  const double per_series = 1e9 / static_cast<double>(registry.series());
  WARN(registry.series() << " series: " << ours * per_series << " ns each, in a registry " << theirs * per_series
                         << " ns");
  // The same series: the helps differ, and how some numbers are written.
  CHECK(registry.series() > 10'000);
  CHECK(static_cast<double>(their_bytes) > 0.9 * static_cast<double>(our_bytes));
  CHECK(ours <= theirs / 2);
}
