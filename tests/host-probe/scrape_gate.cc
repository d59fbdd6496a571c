#include "host-probe/metrics/scrape_gate.h"

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "tests/host-probe/support/loop.h"

using namespace katameter;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  Fixture() {
    auto made = ScrapeGate::create(loop.events(), [this](auto answer) { asked.push_back(std::move(answer)); });
    REQUIRE(made.has_value());
    gate = std::move(*made);
  }
  std::future<ScrapeGate::Report> ask(std::chrono::milliseconds deadline) {
    return std::async(std::launch::async, [this, deadline] { return gate->ask(deadline); });
  }
  bool answered(const std::future<ScrapeGate::Report>& answer) {
    return loop.until([&] { return answer.wait_for(0s) == std::future_status::ready; });
  }

  katameter::testing::Loop loop;
  std::vector<std::function<void(ScrapeGate::Report)>> asked;
  std::unique_ptr<ScrapeGate> gate;
};

}  // namespace

TEST_CASE("another thread gets the report that the loop's thread made") {
  Fixture test;
  auto answer = test.ask(5s);
  REQUIRE(test.loop.until([&] { return test.asked.size() == 1; }));
  const auto report = std::make_shared<const NodeReport>();
  test.asked[0](report);
  REQUIRE(test.answered(answer));
  CHECK(answer.get() == report);
}

TEST_CASE("who waits longer than the deadline gets nothing, and a late report harms nobody") {
  Fixture test;
  auto answer = test.ask(20ms);
  REQUIRE(test.loop.until([&] { return test.asked.size() == 1; }));
  REQUIRE(test.answered(answer));
  CHECK(answer.get() == nullptr);
  test.asked[0](std::make_shared<const NodeReport>());
}

TEST_CASE("scrapers that come before the loop has looked share one collection") {
  Fixture test;
  auto first = test.ask(5s);
  auto second = test.ask(5s);
  std::this_thread::sleep_for(20ms);  // the loop does not run yet; both are at the gate
  REQUIRE(test.loop.until([&] { return !test.asked.empty(); }));
  test.loop.pass(5ms);
  REQUIRE(test.asked.size() == 1);
  test.asked[0](std::make_shared<const NodeReport>());
  REQUIRE(test.answered(first));
  REQUIRE(test.answered(second));
  CHECK(first.get() == second.get());
}

TEST_CASE("a closed gate lets nobody wait") {
  Fixture test;
  auto answer = test.ask(60s);
  std::this_thread::sleep_for(10ms);
  test.gate->close();
  CHECK(answer.get() == nullptr);
  CHECK(test.gate->ask(60s) == nullptr);
  CHECK(test.asked.empty());
}
