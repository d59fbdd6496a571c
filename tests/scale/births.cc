#include <catch2/catch.hpp>

#include "tests/scale/simulated_node.h"

using namespace katameter::testing;

namespace {

// The last of them end before the next are born; every generation is scraped.
void live_and_die(SimulatedNode& node, int generations, int guests) {
  for (int i = 0; i < generations; ++i) {
    node.add(guests);
    node.settle();
    node.remove(guests);
    node.settle();
  }
}

void check_flat(int generations, int guests) {
  SimulatedNode node(10);
  live_and_die(node, generations / 5, guests);
  const std::size_t resident_kb = node.resident_kb();
  const std::size_t descriptors = node.descriptors();
  live_and_die(node, generations - generations / 5, guests);
  INFO(resident_kb << " kB and " << descriptors << " descriptors at first, in the end " << node.resident_kb() << " and "
                   << node.descriptors());
  CHECK(node.descriptors() <= descriptors + 1);  // one may be of a connection that is just being closed
  CHECK(node.resident_kb() <= resident_kb + 1024);
}

}  // namespace

TEST_CASE("sandboxes that come and go leave neither memory nor descriptors behind") {
  check_flat(10, 50);
}

TEST_CASE("10,000 sandboxes come and go, and leave neither memory nor descriptors behind", "[.][full]") {
  check_flat(100, 100);
}
