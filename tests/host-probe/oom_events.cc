#include "host-probe/merge/oom_events.h"

#include <catch2/catch.hpp>

using namespace katameter;

namespace {

wire::Hello hello(const std::string& boot_id, const std::string& instance) {
  wire::Hello made;
  made.boot_id = boot_id;
  made.instance = instance;
  return made;
}

wire::OomEvent event(std::uint64_t sequence, std::uint64_t boottime_ns) {
  wire::OomEvent made;
  made.sequence = sequence;
  made.boottime_ns = boottime_ns;
  return made;
}

}  // namespace

TEST_CASE("an event that is sent again is not new") {
  OomEventFilter filter;
  filter.connected(hello("boot-1", "run-1"));
  CHECK(filter.is_new(event(1, 100)));
  CHECK(filter.is_new(event(2, 200)));
  filter.connected(hello("boot-1", "run-1"));  // a reconnect: the guest sends again what was not acknowledged
  CHECK_FALSE(filter.is_new(event(1, 100)));
  CHECK_FALSE(filter.is_new(event(2, 200)));
  CHECK(filter.is_new(event(3, 300)));
}

TEST_CASE("two victims of the same moment are two events") {
  OomEventFilter filter;
  CHECK(filter.is_new(event(1, 100)));
  CHECK(filter.is_new(event(2, 100)));
}

TEST_CASE("after another boot numbers begin again") {
  OomEventFilter filter;
  filter.connected(hello("boot-1", "run-1"));
  CHECK(filter.is_new(event(9, 900)));
  filter.connected(hello("boot-2", "run-1"));
  CHECK(filter.is_new(event(1, 100)));
  CHECK_FALSE(filter.is_new(event(1, 100)));
}

TEST_CASE("a guest-probe that was started again in the same boot numbers from 1, and its events are new") {
  OomEventFilter filter;
  filter.connected(hello("boot-1", "run-1"));
  CHECK(filter.is_new(event(9, 900)));
  filter.connected(hello("boot-1", "run-2"));
  CHECK(filter.is_new(event(1, 1000)));
  CHECK_FALSE(filter.is_new(event(1, 1000)));
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
