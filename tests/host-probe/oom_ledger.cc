#include "host-probe/merge/oom_ledger.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace std::chrono_literals;
using Kills = std::map<ContainerId, std::uint64_t>;

namespace {

const OomLedger::Time start{};

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

wire::Container container(char digit, wire::Figure oom_kills) {
  wire::Container made;
  made.id = id_of(digit);
  made.oom_kills = oom_kills;
  return made;
}

}  // namespace

TEST_CASE("living containers have their kernel's counter, from 0 on") {
  OomLedger ledger;
  ledger.living({container('a', 0), container('b', 2), container('c', std::nullopt)}, start);
  CHECK(ledger.kills() == Kills{{id_of('a'), 0}, {id_of('b'), 2}});
}

TEST_CASE("the counter of a removed container stays for the window") {
  OomLedger ledger;
  ledger.living({container('a', 0)}, start);
  ledger.ended(container('a', 1), start);
  ledger.living({}, start);
  ledger.expire(start + OomLedger::window - 1s);
  CHECK(ledger.kills() == Kills{{id_of('a'), 1}});
  ledger.expire(start + OomLedger::window);
  CHECK(ledger.empty());
}

TEST_CASE("an id that comes back counts on, through any number of rounds") {
  OomLedger ledger;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    ledger.living({container('a', 0)}, start);
    CHECK(ledger.kills().at(id_of('a')) == round - 1);
    ledger.ended(container('a', 1), start);
    CHECK(ledger.kills().at(id_of('a')) == round);
  }
  ledger.living({container('a', 0)}, start);
  ledger.expire(start + OomLedger::window);
  CHECK(ledger.kills() == Kills{{id_of('a'), 3}});
}

TEST_CASE("a container that is missing from a snapshot is not counted twice when it is back") {
  OomLedger ledger;
  ledger.living({container('a', 2)}, start);
  ledger.living({}, start);
  CHECK(ledger.kills().at(id_of('a')) == 2);
  ledger.living({container('a', 2)}, start);
  CHECK(ledger.kills().at(id_of('a')) == 2);
  ledger.living({container('a', 1)}, start);  // another cgroup, the end of the first was not seen
  CHECK(ledger.kills().at(id_of('a')) == 3);
}

TEST_CASE("the end of the sandbox keeps all counters for the window, a reboot lets them count on") {
  OomLedger ledger;
  ledger.living({container('a', 2)}, start);
  SECTION("end") {
    ledger.all_ended(start);
    CHECK(ledger.kills().at(id_of('a')) == 2);
    ledger.expire(start + OomLedger::window);
    CHECK(ledger.empty());
  }
  SECTION("reboot") {
    ledger.guest_restarted(start);
    ledger.living({container('a', 1)}, start);
    CHECK(ledger.kills().at(id_of('a')) == 3);
  }
}

TEST_CASE("a guest cannot fill the memory with dead containers") {
  OomLedger ledger;
  for (std::size_t i = 0; i <= 2 * OomLedger::longest_memory; ++i) {
    wire::Container dead = container('a', 1);
    dead.id.bytes[0] = static_cast<std::uint8_t>(i & 0xff);
    dead.id.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    ledger.ended(dead, start);
  }
  ledger.living({container('f', 1)}, start);
  ledger.expire(start);
  CHECK(ledger.kills() == Kills{{id_of('f'), 1}});
}
