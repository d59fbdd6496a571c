#include "host-probe/pods/pod_stats.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/host-probe/pods/ids.h"
#include "tests/support/loop.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace std::chrono_literals;

namespace {

struct Shared {
  std::atomic<int> asked = 0;
  std::atomic<bool> hangs = false;
  std::atomic<bool> fails = false;
};

class Source : public StatsSource {
 public:
  explicit Source(Shared& shared) : shared_(shared) {}
  Answer look_up(const Request& /*all*/) override {
    ++shared_.asked;
    while (shared_.hangs && !cancelled_) std::this_thread::sleep_for(1ms);
    if (shared_.fails) return std::nullopt;
    StatsBySandbox stats;
    stats[pod_id].emplace_back().id = app_id;
    stats[pod_id].back().cpu_ns = static_cast<std::uint64_t>(shared_.asked.load());
    return stats;
  }
  void cancel() override { cancelled_ = true; }

 private:
  Shared& shared_;
  std::atomic<bool> cancelled_ = false;
};

struct PodStatsFixture {
  explicit PodStatsFixture(const StatsTiming& timing) {
    auto made = PodStats::create(loop.events(), std::make_unique<Source>(shared), timing);
    REQUIRE(made);
    stats = std::move(*made);
  }
  std::uint64_t cpu() const {
    const auto* of_pod = stats->of(pod_id);
    return of_pod == nullptr ? 0 : of_pod->at(0).cpu_ns.value();
  }

  Shared shared;
  Loop loop;
  std::unique_ptr<PodStats> stats;
};

}  // namespace

TEST_CASE("statistics are asked for when somebody looks, and no more often than they may be") {
  PodStatsFixture test({1h, 1h});
  test.loop.pass(20ms);
  CHECK(test.shared.asked == 0);
  CHECK(test.stats->of(pod_id) == nullptr);
  for (int i = 0; i < 3; ++i) {
    test.stats->wanted();
    REQUIRE(test.loop.until([&] { return test.cpu() == 1; }));
  }
  CHECK(test.shared.asked == 1);
  CHECK(test.stats->of(app_id) == nullptr);
  // Another runtime is asked at once.
  REQUIRE(test.stats->set_source(std::make_unique<Source>(test.shared)));
  test.stats->wanted();
  CHECK(test.loop.until([&] { return test.cpu() == 2; }));
}

TEST_CASE("a runtime that hangs is not asked twice at a time, and its last answer holds for a while") {
  PodStatsFixture test({1ms, 1h});
  test.stats->wanted();
  REQUIRE(test.loop.until([&] { return test.cpu() == 1; }));
  test.shared.hangs = true;
  test.loop.pass(5ms);
  for (int i = 0; i < 3; ++i) {
    test.stats->wanted();
    test.loop.pass(5ms);
  }
  CHECK(test.shared.asked == 2);
  CHECK(test.cpu() == 1);
  test.shared.hangs = false;
  CHECK(test.loop.until([&] { return test.cpu() == 2; }));
}

TEST_CASE("an answer that is too old is none") {
  PodStatsFixture test({1ms, 200ms});
  test.stats->wanted();
  REQUIRE(test.loop.until([&] { return test.shared.asked == 1; }));
  test.shared.fails = true;
  CHECK(test.loop.until([&] {
    test.stats->wanted();
    return test.shared.asked > 3 && test.stats->of(pod_id) == nullptr;
  }));
}
