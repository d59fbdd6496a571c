#include "host-probe/accounting/oom.h"

#include <catch2/catch.hpp>

#include "tests/support/containers.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::id_of;
using namespace std::chrono_literals;
using Kills = std::map<ContainerId, std::uint64_t>;

namespace {

const OomKillCounters::Time start{};

wire::Container container(char digit, wire::Figure oom_kills) {
  wire::Container made;
  made.id = id_of(digit);
  made.oom_kills = oom_kills;
  return made;
}

wire::OomEvent event(std::uint64_t sequence, std::uint64_t boottime_ns) {
  wire::OomEvent made;
  made.sequence = sequence;
  made.boottime_ns = boottime_ns;
  return made;
}

}  // namespace

TEST_CASE("living containers have their kernel's counter, from 0 on") {
  OomKillCounters counters;
  counters.update({container('a', 0), container('b', 2), container('c', std::nullopt)}, start);
  CHECK(counters.kills() == Kills{{id_of('a'), 0}, {id_of('b'), 2}});
}

TEST_CASE("the counter of a removed container stays for the window") {
  OomKillCounters counters;
  counters.update({container('a', 0)}, start);
  counters.container_ended(container('a', 1), start);
  counters.update({}, start);
  counters.expire(start + OomKillCounters::window - 1s);
  CHECK(counters.kills() == Kills{{id_of('a'), 1}});
  counters.expire(start + OomKillCounters::window);
  CHECK(counters.empty());
}

TEST_CASE("an id that comes back counts on, through any number of rounds") {
  OomKillCounters counters;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    counters.update({container('a', 0)}, start);
    CHECK(counters.kills().at(id_of('a')) == round - 1);
    counters.container_ended(container('a', 1), start);
    CHECK(counters.kills().at(id_of('a')) == round);
  }
  counters.update({container('a', 0)}, start);
  counters.expire(start + OomKillCounters::window);
  CHECK(counters.kills() == Kills{{id_of('a'), 3}});
}

TEST_CASE("a container that is missing from a snapshot is not counted twice when it is back") {
  OomKillCounters counters;
  counters.update({container('a', 2)}, start);
  counters.update({}, start);
  CHECK(counters.kills().at(id_of('a')) == 2);
  counters.update({container('a', 2)}, start);
  CHECK(counters.kills().at(id_of('a')) == 2);
  counters.update({container('a', 1)}, start);  // another cgroup, the end of the first was not seen
  CHECK(counters.kills().at(id_of('a')) == 3);
}

TEST_CASE("the end of the sandbox keeps all counters for the window, a reboot lets them count on") {
  OomKillCounters counters;
  counters.update({container('a', 2)}, start);
  SECTION("end") {
    counters.all_ended(start);
    CHECK(counters.kills().at(id_of('a')) == 2);
    counters.expire(start + OomKillCounters::window);
    CHECK(counters.empty());
  }
  SECTION("reboot") {
    counters.guest_booted(start);
    counters.update({container('a', 1)}, start);
    CHECK(counters.kills().at(id_of('a')) == 3);
  }
}

TEST_CASE("a guest cannot fill the memory with dead containers") {
  OomKillCounters counters;
  for (std::size_t i = 0; i <= 2 * OomKillCounters::max_ended_containers; ++i) {
    wire::Container dead = container('a', 1);
    dead.id.bytes[0] = static_cast<std::uint8_t>(i & 0xff);
    dead.id.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    counters.container_ended(dead, start);
  }
  counters.update({container('f', 1)}, start);
  counters.expire(start);
  CHECK(counters.kills() == Kills{{id_of('f'), 1}});
}

TEST_CASE("a guest that is restored to an earlier state does not count a kill twice") {
  OomKillCounters counters;
  counters.update({container('a', 3), container('b', 1), container('c', 5)}, start);
  counters.container_ended(container('b', 2), start);
  counters.update({container('a', 3), container('c', 5)}, start);
  // As it was before: two kills of one are not yet, another one lives again; the third goes on.
  counters.rebase({container('a', 1), container('b', 1), container('c', 5)});
  CHECK(counters.kills() == Kills{{id_of('a'), 3}, {id_of('b'), 2}, {id_of('c'), 5}});
  counters.update({container('a', 2), container('b', 1), container('c', 6)}, start);
  CHECK(counters.kills() == Kills{{id_of('a'), 4}, {id_of('b'), 2}, {id_of('c'), 6}});
}

TEST_CASE("an event that is sent again is not new") {
  OomEventFilter filter;
  CHECK(filter.is_new(event(1, 100)));
  CHECK(filter.is_new(event(2, 200)));
  // After a reconnect the guest sends again what was not acknowledged.
  CHECK_FALSE(filter.is_new(event(1, 100)));
  CHECK_FALSE(filter.is_new(event(2, 200)));
  CHECK(filter.is_new(event(3, 300)));
}

TEST_CASE("two victims of the same moment are two events") {
  OomEventFilter filter;
  CHECK(filter.is_new(event(1, 100)));
  CHECK(filter.is_new(event(2, 100)));
}

TEST_CASE("an event is logged with all its facts as fields") {
  wire::OomEvent oom = event(1, 100);
  oom.container = ContainerId::from_hex(std::string(64, 'c'));
  oom.victim_pid = 4711;
  oom.victim_comm = "hog";
  oom.victim_anon_bytes = 1000;
  oom.victim_file_bytes = 200;
  oom.victim_shmem_bytes = 30;
  oom.memory_limit_bytes = 1024;
  const ContainerId sandbox = *ContainerId::from_hex(std::string(64, 'a'));
  const auto line = [&] { return log_text(LogFormat::logfmt, "oom kill", describe(sandbox, oom)); };
  CHECK(line() == "msg=\"oom kill\" sandbox=" + std::string(64, 'a') + " container=" + std::string(64, 'c') +
                      " pid=4711 comm=hog rss_bytes=1230 limit_bytes=1024 class=unknown");
  oom.oom_class = wire::OomClass::pod_limit;
  oom.limit_cgroup = "/pod x";
  CHECK_THAT(line(), Catch::EndsWith(" class=pod_limit limit_cgroup=\"/pod x\""));
  oom.container.reset();
  CHECK_THAT(line(), !Catch::Contains("container="));
}
