#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <limits>

#include "tests/support/plain_registry.h"
#include "tests/support/rendered.h"
#include "tests/support/simulator/figures.h"

using namespace katameter;
using namespace katameter::host;

namespace {

NodeReport report_of(std::uint64_t sandboxes) {
  NodeReport report;
  for (std::uint64_t i = 0; i < sandboxes; ++i) {
    SandboxReport& sandbox = report.sandboxes.emplace_back();
    const wire::Snapshot snapshot = simulator::figures_of(i, 4, std::chrono::hours(1), std::chrono::hours(1));
    sandbox.id = simulator::container_id(i, 0);
    GuestView& guest = sandbox.guest.emplace();
    guest.containers = snapshot.containers;
    guest.guest_wide = snapshot.guest;
    guest.interfaces = snapshot.interfaces;
  }
  return report;
}

template <typename Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("a series takes at most half the time of one kept in a prometheus-cpp registry") {
  const NodeReport report = report_of(100);
  host::testing::PlainRegistry registry;
  REQUIRE(registry.fill(rendered_text(report)));
  double ours = std::numeric_limits<double>::max();
  double theirs = ours;
  std::size_t our_bytes = 0;
  std::size_t their_bytes = 0;
  // In turns, the fastest of each: both meet the same machine.
  for (int round = 0; round < 5; ++round) {
    ours = std::min(ours, seconds([&] { our_bytes = rendered_text(report).size(); }));
    theirs = std::min(theirs, seconds([&] { their_bytes = registry.written().size(); }));
  }
  const double per_series = 1e9 / static_cast<double>(registry.series());
  WARN(registry.series() << " series: " << ours * per_series << " ns each, in a registry " << theirs * per_series
                         << " ns");
  // The same series: the helps differ, and how some numbers are written.
  CHECK(registry.series() > 10'000);
  CHECK(static_cast<double>(their_bytes) > 0.9 * static_cast<double>(our_bytes));
  CHECK(ours <= theirs / 2);
}
