#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>

#include "tests/scale/simulated_node.h"

using namespace katameter::host::testing;

TEST_CASE("each guest is asked once for a scrape, and scrapes at the same moment share a collection") {
  SimulatedNode node(200);
  const auto before = node.collects();
  constexpr std::uint64_t scrapes = 3;
  for (std::uint64_t i = 0; i < scrapes; ++i) {
    CHECK_THAT(node.scrape(), Catch::Contains("katameter_collector_success{collector=\"guests\"} 1\n"));
  }
  const auto after = node.collects();
  CHECK(after.fewest == before.fewest + scrapes);
  CHECK(after.most == before.most + scrapes);

  // Whether two meet is up to the scheduler: some of ten pairs do.
  constexpr std::uint64_t pairs = 10;
  for (std::uint64_t i = 0; i < pairs; ++i) {
    auto other = std::async(std::launch::async, [&] { return node.scrape(); });
    CHECK_THAT(node.scrape(), Catch::Contains("\nkatameter_sandboxes 200\n"));
    CHECK_THAT(other.get(), Catch::Contains("\nkatameter_sandboxes 200\n"));
  }
  const auto shared = node.collects();
  CHECK(shared.most < after.most + 2 * pairs);
  CHECK(shared.fewest == shared.most);
}

TEST_CASE("a node of 1,000 sandboxes answers within a second and takes 24 KiB for each", "[.][full]") {
  constexpr int sandboxes = 1000;
  SimulatedNode node(0);
  static_cast<void>(node.scrape(true));
  const std::size_t empty_kb = node.resident_kb();
  node.add(sandboxes);
  node.wait_connected();
  // The fastest of some: what else runs on the machine is not host-probe's.
  double fastest = 1e9;
  std::string answer;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    answer = node.scrape(true);
    fastest = std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  CHECK_THAT(answer.substr(0, 500), Catch::Contains("Content-Encoding: gzip"));
  const std::size_t full_kb = node.resident_kb();
  INFO("a scrape took " << fastest << " s; " << empty_kb << " kB without sandboxes, " << full_kb << " kB with");
  CHECK(fastest < 1.0);
  CHECK(full_kb - empty_kb <= sandboxes * 24);
}
